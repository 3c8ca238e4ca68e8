from __future__ import annotations

import io
import os
from collections.abc import Generator
from contextlib import contextmanager

import anyio
import pytest
from pydantic import JsonValue

from orchestrator.cli.asking import AtTerminal, Decision, Granted, Reply, Unattended, approval_block
from orchestrator.cli.fields import Field, NotAnAnswer, fields_of
from orchestrator.cli.granting import NOTHING_STANDS, Standing
from orchestrator.cli.lines import Lines
from orchestrator.cli.writer import Writer
from orchestrator.events import ApprovalRequested, QuestionAsked
from orchestrator.messages import Tool
from orchestrator.policy.rules import Policy, Rule
from tests.orchestrator.cli.telling import NOON

pytestmark = pytest.mark.anyio


@contextmanager
def somebody(typing: str, stands: Standing = NOTHING_STANDS) -> Generator[tuple[AtTerminal, io.StringIO]]:
    """Somebody whose keys are known beforehand."""
    read, write = os.pipe()
    with os.fdopen(read) as keyboard:
        with os.fdopen(write, "w") as keys:
            keys.write(typing)
        screen = io.StringIO()
        yield AtTerminal(Lines(keyboard), Writer(screen), stands), screen


def request(**arguments: JsonValue) -> ApprovalRequested:
    return ApprovalRequested(call_id="a", tool="files__write", arguments=arguments, why="rule: ask files__*")


@pytest.mark.parametrize(
    ("typing", "decision"),
    [
        ("y\n", Decision(True)),
        ("YES\n", Decision(True)),
        ("\n\nmaybe\ny\n", Decision(True)),
        ("n\n\n", Decision(False)),
        ("n\nuse the other file\n", Decision(False, "use the other file")),
        ("n use the other file\n", Decision(False, "use the other file")),
        ("", Decision(False)),
        ("d\ny\n", Decision(True)),
    ],
)
async def test_only_a_clear_yes_lets_a_call_run(typing: str, decision: Decision) -> None:
    with somebody(typing) as (user, _), anyio.fail_after(5):
        assert await user.decide(request(path="a.txt")) == decision


async def test_the_block_says_who_what_and_why() -> None:
    with somebody("y\n") as (user, screen), anyio.fail_after(5):
        await user.decide(request(path="notes/plan.md", content="one\ntwo", force=True))
    text = screen.getvalue()
    for words in (
        "files wants to run write",
        "path: notes/plan.md",
        "content: one\n      two",
        "force: true",
        "rule: ask",
    ):
        assert words in text


async def test_long_arguments_are_cut_openly_and_shown_whole_on_demand() -> None:
    content = "\n".join(f"line {number}" for number in range(100))
    assert "… and 89 more lines: [d] shows them" in approval_block(request(content=content))
    with somebody("d\nn\n\n") as (user, screen), anyio.fail_after(5):
        await user.decide(request(content=content))
    assert "line 99" in screen.getvalue()


async def test_an_argument_cannot_disguise_itself() -> None:
    with somebody("y\n") as (user, screen), anyio.fail_after(5):
        await user.decide(request(path="\x1b[2K\rharmless.txt\u202e"))
    assert "\x1b" not in screen.getvalue()
    assert "\r" not in screen.getvalue()
    assert "\u202e" not in screen.getvalue()


def tool(name: str, *, read_only: bool = False) -> Tool:
    server, _, original = name.partition("__")
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"n": {"type": "integer"}}}
    return Tool(name=name, server=server, original=original, input_schema=schema, read_only=read_only)


def standing(*rules: Rule, read_only: bool = False) -> Standing:
    return Standing(lambda: (tool("files__write", read_only=read_only),), lambda: Policy(rules))


ASKED = ApprovalRequested(call_id="a", tool="files__write", arguments={"n": 1}, why="no rule")


def test_only_rules_that_would_help_are_offered() -> None:
    assert list(standing().offers(ASKED)) == ["t", "s", "N"]
    assert list(standing(read_only=True).offers(ASKED)) == ["t", "r", "s", "N"]
    assert list(standing(Rule(effect="ask", tool="files__*")).offers(ASKED)) == ["N"], "to ask goes before to allow"
    assert list(standing(Rule(effect="allow", tool="*")).offers(ASKED)) == ["N"], "asked because of text from outside"
    assert NOTHING_STANDS.offers(ASKED) == {}


def test_a_rule_for_a_tool_covers_no_other_whatever_the_tool_is_called() -> None:
    wild = tool("files__w[a]*")
    rule = Standing(lambda: (wild,), Policy).offers(ASKED.model_copy(update={"tool": wild.name}))["t"]
    policy = Policy((rule,))
    assert policy.decide(wild, {}, NOON).effect == "allow"
    assert policy.decide(tool("files__wa"), {}, NOON).effect == "ask"
    assert policy.decide(tool("files__w[a]x"), {}, NOON).effect == "ask"


@pytest.mark.parametrize(
    ("typing", "rule"),
    [
        ("t\ns\n", "allow files__write (session)"),
        ("s\nf\n", "allow files__* (project)"),
        ("r\na\n", "allow files__* that only read (user)"),
        ("N\na\n", "deny files__write (user)"),
        ("t\n\ns\nx\ny\n", None),
    ],
)
async def test_a_rule_is_shown_in_each_scope_and_kept_in_the_chosen_one(typing: str, rule: str | None) -> None:
    with somebody(typing, standing(read_only=True)) as (user, screen), anyio.fail_after(5):
        decision = await user.decide(ASKED)
    assert (str(decision.rule) if decision.rule else None) == rule
    assert decision.allowed is not (rule or "").startswith("deny")
    assert rule is None or rule in screen.getvalue()


@pytest.mark.parametrize(
    ("typing", "arguments", "says"),
    [
        ('{"n": 2}', {"n": 2}, '  {"n": 1}'),
        ('{"n": }\n{"n": 2}', {"n": 2}, "This is not JSON: Expecting value, at character 7."),
        ('[1]\n{"n": 2}', {"n": 2}, "The arguments are one object"),
        ('{"n": NaN}\n{"n": 2}', {"n": 2}, "NaN is not JSON."),
        ('{"n": "\\ud800"}\n{"n": 2}', {"n": 2}, "half a character"),
        ('{"n": "two"}\n{"n": 2}', {"n": 2}, "n: 'two' is not of type 'integer'"),
        ('{"n": 1}', None, ""),
    ],
)
async def test_arguments_can_be_edited_and_what_is_wrong_is_said_and_asked_again(
    typing: str, arguments: dict[str, JsonValue] | None, says: str
) -> None:
    with somebody(f"e\n{typing}\n", standing()) as (user, screen), anyio.fail_after(5):
        assert await user.decide(ASKED) == Decision(True, arguments=arguments)
    assert says in screen.getvalue()


async def test_an_edit_that_is_left_leads_back_to_the_question() -> None:
    with somebody("e\n\nn\n\n", standing()) as (user, _), anyio.fail_after(5):
        assert await user.decide(ASKED) == Decision(False)


async def test_arguments_that_hide_something_are_edited_in_escapes() -> None:
    with somebody("e\n\ny\n") as (user, screen), anyio.fail_after(5):
        await user.decide(request(path="\u202egnp.exe\x07"))
    assert '{"path": "\\u202egnp.exe\\u0007"}' in screen.getvalue()


async def test_without_a_terminal_calls_are_refused_and_remembered() -> None:
    said: list[str] = []
    nobody = Unattended(say=lambda text, kind: said.append(f"{kind}: {text}"))
    decision = await nobody.decide(request())
    assert not decision.allowed
    assert "--allow files__write" in decision.note
    assert nobody.denied == ["files__write"]
    assert await nobody.answer(question()) == Reply(None)
    assert said == ["problem: tea asks: Who? Nobody was there to answer, so it was declined."]


def test_grants_are_globs_over_tools() -> None:
    assert Granted(allow=("files__*",)).covers("files__write")
    assert not Granted(allow=("files__*",)).covers("web__write")
    assert Granted(everything=True).covers("anything")


FIELDS: dict[str, JsonValue] = {
    "type": "object",
    "required": ["name", "age"],
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "age": {"type": "integer", "minimum": 1, "maximum": 8},
        "tea": {"type": "string", "enum": ["green", "black"], "default": "green"},
        "sugar": {"type": "boolean"},
    },
}


def question(**more: JsonValue) -> QuestionAsked:
    return QuestionAsked.model_validate({"question_id": "q", "server": "tea", "text": "Who?", "fields": FIELDS, **more})


async def test_a_question_is_answered_field_by_field_and_wrong_answers_are_asked_again() -> None:
    with somebody("y\nA\nAda\nten\n9\n3\n\nmaybe\ny\n") as (user, screen), anyio.fail_after(5):
        reply = await user.answer(question())
    assert reply.values == {"name": "Ada", "age": 3, "tea": "green", "sugar": True}
    for words in ("tea asks: Who?", "age (integer, 1..8)", "tea (green/black, Enter for green)", "Type y or n."):
        assert words in screen.getvalue()


@pytest.mark.parametrize("typing", ["n\n", "", "y\nAda\n", "\nn\n"])
async def test_a_question_can_be_declined_at_every_point(typing: str) -> None:
    with somebody(typing) as (user, _), anyio.fail_after(5):
        assert await user.answer(question()) == Reply(None)


async def test_a_page_to_open_is_shown_with_its_host_and_needs_an_explicit_yes() -> None:
    url = "https://login.example.com@evil.example/x"
    with somebody("y\n") as (user, screen), anyio.fail_after(5):
        assert await user.answer(question(url=url)) == Reply({})
    assert "a page at evil.example:" in screen.getvalue()
    assert url in screen.getvalue()


@pytest.mark.parametrize(
    ("schema", "typed", "value"),
    [
        ({"type": "number"}, "1.5", {"x": 1.5}),
        ({"type": "boolean"}, "No", {"x": False}),
        ({"type": "string"}, " a b ", {"x": "a b"}),
        ({"type": "string"}, "", {}),
        ({"type": "integer", "default": 7}, "", {"x": 7}),
        ({}, "free", {"x": "free"}),
    ],
)
def test_what_is_typed_becomes_a_value(schema: dict[str, JsonValue], typed: str, value: dict[str, JsonValue]) -> None:
    assert Field("x", schema, required=False).read(typed) == value


@pytest.mark.parametrize(
    ("schema", "typed"),
    [
        ({"type": "integer"}, "1.5"),
        ({"type": "number"}, "nan"),
        ({"type": "boolean"}, "2"),
        ({"enum": ["a"]}, "b"),
        ({"type": "string"}, ""),
        ({"maxLength": 1}, "ab"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(schema: dict[str, JsonValue], typed: str) -> None:
    with pytest.raises(NotAnAnswer, match=r"Type|answer"):
        Field("x", schema, required=True).read(typed)


def test_a_schema_that_is_no_form_has_no_fields() -> None:
    assert fields_of({}) == []
    assert fields_of({"properties": []}) == []
    assert fields_of({"properties": {"a": 5}}) == []
