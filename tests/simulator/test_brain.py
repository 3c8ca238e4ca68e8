"""The simulated mind: what it calls for which words, and that it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import brain
from simulator.answer import Answer, Call, Say
from simulator.situation import Done, Situation, Tool


def tool(name: str, description: str, required: tuple[str, ...] = (), **parameters: Any) -> Tool:
    schema = {"type": "object", "properties": parameters, "required": list(required)}
    return Tool(name, description, schema)


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
KIND = {"type": "string", "enum": ["file", "dir"]}
DETAIL = {"type": "string", "enum": ["names", "summary", "full"]}
TOOLS = (
    tool("files__fs_list", "List a folder: files and folders by name.", path=TEXT, depth=WHOLE, glob=TEXT, kind=KIND),
    tool("files__fs_read", "Read one file, by lines.", ("path",), path=TEXT, start_line=WHOLE, max_lines=WHOLE),
    tool("files__fs_search", "Search the contents of files.", ("query",), query=TEXT, path=TEXT, limit=WHOLE),
    tool("files__fs_delete", "Delete a file.", ("path",), path=TEXT),
    tool("database__db_schema", "The tables and columns of the database.", pattern=TEXT, detail=DETAIL),
    tool("database__db_query", "Run one read-only SQL statement.", ("sql",), sql=TEXT, max_rows=WHOLE),
    tool("fetch__web_fetch", "Fetch a web page as Markdown.", ("url",), url=TEXT, max_chars=WHOLE),
    tool("sums__add", "Add two numbers.", ("a", "b"), a={"type": "number"}, b={"type": "number"}),
    tool("mail__send_mail", "Send an e-mail.", ("to", "subject"), to=TEXT, subject=TEXT),
    tool("notes__move", "Move a note.", ("source", "destination"), source=TEXT, destination=TEXT),
)
SCHEMA = json.dumps(
    {
        "objects": [
            {"name": "customers", "kind": "table", "columns": [{"name": "id", "type": "INTEGER"}, {"name": "country"}]},
            {"name": "products", "kind": "table", "columns": [{"name": "name"}, {"name": "price", "type": "NUMERIC"}]},
            {"name": "order_items", "columns": [{"name": "order_id"}, {"name": "quantity", "type": "INTEGER"}]},
            {"name": "orders", "columns": [{"name": "ordered_at", "type": "TEXT"}, {"name": "total", "type": "REAL"}]},
        ]
    }
)


def calls_in(answer: Answer) -> list[tuple[str, Any]]:
    return [(piece.name, piece.input) for piece in answer.pieces if isinstance(piece, Call)]


def said_in(answer: Answer) -> str:
    return "\n".join(piece.text for piece in answer.pieces if isinstance(piece, Say))


def play(text: str, results: dict[str, str] | None = None, tools: tuple[Tool, ...] = TOOLS) -> tuple[list[Any], str]:
    """Return all calls of a turn, step by step, and the last words. Fails if the turn does not end."""
    done: tuple[Done, ...] = ()
    steps: list[Any] = []
    for _ in range(10):
        answer = brain.think(Situation(text, tools, done, introduced=False, turn=1))
        calls = calls_in(answer)
        if not calls:
            return steps, said_in(answer)
        steps.append(calls)
        done += tuple(Done(name, given, (results or {}).get(name, "fine")) for name, given in calls)
    raise AssertionError(f"still calling after ten steps: {steps}")


ADD = "sums__add"
LIST, READ, SEARCH, FETCH = "files__fs_list", "files__fs_read", "files__fs_search", "fetch__web_fetch"
WORDS = {
    "list the files here, then show me the first lines of README.md": [
        (LIST, {}),
        (READ, {"path": "README.md", "max_lines": 10}),
    ],
    "What files are in this folder?": [(LIST, {})],
    "list the files in docs": [(LIST, {"path": "docs"})],
    "show me README.md and pyproject.toml": [(READ, {"path": "README.md"}), (READ, {"path": "pyproject.toml"})],
    "read the first 5 lines of src/app.py": [(READ, {"path": "src/app.py", "max_lines": 5})],
    "Summarise README.md": [(READ, {"path": "README.md"})],
    "search for TODO in src": [(SEARCH, {"query": "TODO", "path": "src"})],
    'find "def main" in the files': [(SEARCH, {"query": "def main"})],
    "fetch http://127.0.0.1:8123/page": [(FETCH, {"url": "http://127.0.0.1:8123/page"})],
    "Fetch http://127.0.0.1:1/a and tell me what it says, and list the files in docs": [
        (FETCH, {"url": "http://127.0.0.1:1/a"}),
        (LIST, {"path": "docs"}),
    ],
    "run `select 1 + 1 as two`": [("database__db_query", {"sql": "select 1 + 1 as two"})],
    'move "a" to "b"': [("notes__move", {"source": "a", "destination": "b"})],
    "delete old.txt": [("files__fs_delete", {"path": "old.txt"})],
    'search with {"query": "x", "limit": 3}': [(SEARCH, {"query": "x", "limit": 3})],
    'search for "tea" with limit=4': [(SEARCH, {"query": "tea", "limit": 4})],
    "list the tables of the database and the files here": [
        ("database__db_schema", {"detail": "full"}),
        (LIST, {}),
    ],
    "delete old.txt and list the files in docs": [("files__fs_delete", {"path": "old.txt"}), (LIST, {"path": "docs"})],
    "list files in docs and add 2 and 5": [(LIST, {"path": "docs"}), (ADD, {"a": 2, "b": 5})],
    "add 3 and 4": [(ADD, {"a": 3, "b": 4})],
    "Add 1.5 and -2, then add 3 and 3": [(ADD, {"a": 1.5, "b": -2}), (ADD, {"a": 3, "b": 3})],
    'send mail to bob@example.com with subject "Tea and cake"': [
        ("mail__send_mail", {"to": "bob@example.com", "subject": "Tea and cake"})
    ],
    'search for "salt and pepper" in docs': [(SEARCH, {"query": "salt and pepper", "path": "docs"})],
}


@pytest.mark.parametrize("text", WORDS, ids=lambda text: str(text)[:50])
def test_words_lead_to_these_calls_in_one_message(text: str) -> None:
    steps, said = play(text)
    assert steps == [WORDS[text]]
    assert "fine" in said


QUESTIONS = {
    "how many customers are there": "SELECT COUNT(*) AS customer_count FROM customers",
    "How many customers are in the sample database?": "SELECT COUNT(*) AS customer_count FROM customers",
    "what are the five most expensive products": "SELECT * FROM products ORDER BY price DESC LIMIT 5",
    "which products are the cheapest?": "SELECT * FROM products ORDER BY price ASC LIMIT 10",
    "What is the newest order?": "SELECT * FROM orders ORDER BY ordered_at DESC LIMIT 1",
    "average total of orders": "SELECT AVG(total) AS avg_total FROM orders",
    "list all customers with country Norway": "SELECT * FROM customers WHERE country = 'Norway' LIMIT 10",
    "how many orders are there": "SELECT COUNT(*) AS order_count FROM orders",
    "which customers have the country Germany": "SELECT * FROM customers WHERE country = 'Germany' LIMIT 10",
    "show me the customers table": "SELECT * FROM customers LIMIT 10",
}


@pytest.mark.parametrize("text", QUESTIONS, ids=str)
def test_a_question_about_the_database_looks_up_the_schema_and_then_asks_in_sql(text: str) -> None:
    rows = '{"columns":[{"name":"n"}],"rows":[[59]]}'
    steps, said = play(text, {"database__db_schema": SCHEMA, "database__db_query": rows})
    assert steps == [
        [("database__db_schema", {"detail": "full"})],
        [("database__db_query", {"sql": QUESTIONS[text]})],
    ]
    assert "59" in said
    assert "customers, products, order_items, orders" in said


def test_a_question_about_the_tables_needs_only_the_schema() -> None:
    steps, said = play("what tables are in the database?", {"database__db_schema": SCHEMA})
    assert steps == [[("database__db_schema", {"detail": "full"})]]
    assert "customers" in said
    assert "orders" in said


def test_two_questions_share_one_look_up() -> None:
    steps, said = play(
        "how many customers are there and what tables are in the database?", {"database__db_schema": SCHEMA}
    )
    assert [[name for name, _ in step] for step in steps] == [["database__db_schema"], ["database__db_query"]]
    assert "order_items" in said


def test_a_question_that_names_no_table_says_which_tables_there_are() -> None:
    steps, said = play("how many dragons are in the database", {"database__db_schema": SCHEMA})
    assert len(steps) == 1
    assert "no table" in said
    assert "products" in said


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, country VARCHAR(20));",
        "customers(id int, country text)",
        '{"tables": {"customers": {"columns": ["id", "country"]}}}',
        '{"tables": ["customers"]}',
    ],
    ids=["ddl", "lines", "by name", "names only"],
)
def test_a_schema_is_understood_however_it_is_told(schema: str) -> None:
    steps, _ = play("how many customers are there", {"database__db_schema": schema})
    assert steps[1] == [("database__db_query", {"sql": "SELECT COUNT(*) AS customer_count FROM customers"})]


def test_call_lines_are_obeyed_all_at_once_even_for_tools_that_are_not_offered() -> None:
    steps, _ = play('/call x__slow {"s": 1}\n/call x__slow {"s": 1}\n/call y__other')
    assert steps == [[("x__slow", {"s": 1}), ("x__slow", {"s": 1}), ("y__other", {})]]


def test_a_call_line_with_broken_json_says_what_is_wrong() -> None:
    steps, said = play("/call x__y {oops")
    assert steps == []
    assert "needs a JSON object" in said


@pytest.mark.parametrize(
    "text", ["hello", "what is the weather in Paris?", "???", "a", "what can you do?", "Who are you?"]
)
def test_words_that_fit_nothing_are_answered_with_what_this_is_and_can_do(text: str) -> None:
    steps, said = play(text)
    assert steps == []
    assert "simulator" in said
    assert "files__fs_list" in said
    assert "/call" in said


def test_a_missing_argument_is_named() -> None:
    _, said = play("fetch the page")
    assert "`fetch__web_fetch` might fit" in said
    assert "`url`" in said


def test_the_simulator_names_itself_in_its_first_answer_only() -> None:
    first = brain.think(Situation("list the files here", TOOLS, (), introduced=False, turn=1))
    later = brain.think(Situation("list the files here", TOOLS, (), introduced=True, turn=2))
    assert said_in(first).lower().count("simulator") == 1
    assert "simulator" not in said_in(later).lower()


def test_a_number_that_is_said_once_is_not_taken_twice() -> None:
    steps, said = play("add 5")
    assert steps == []
    assert "needs `a`, `b`" in said


def test_a_failed_call_is_reported_as_failed() -> None:
    done = (Done(LIST, {}, "denied: not allowed", is_error=True),)
    said = said_in(brain.think(Situation("list the files here", TOOLS, done, introduced=True, turn=1)))
    assert "failed" in said
    assert "denied: not allowed" in said


def test_a_long_result_is_trimmed_and_says_so() -> None:
    _, said = play("list the files here", {LIST: "\n".join(f"file-{n}" for n in range(1000))})
    assert "file-0" in said
    assert "more characters" in said
    assert len(said) < 3_000


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=200), st.text(max_size=60))
def test_any_words_and_any_results_end_and_repeat_no_call(text: str, result: str) -> None:
    steps, _ = play("list and find " + text, {LIST: result, "database__db_schema": result})
    made = [json.dumps(call, sort_keys=True) for step in steps for call in step]
    assert len(made) == len(set(made)) or "/call" in text


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=120))
def test_the_same_words_are_always_answered_the_same_way(text: str) -> None:
    assert play(text) == play(text)
