"""The simulated model's mind: it reads the last words of the user and decides what to call or say. Always the same way.

Every step is computed from the conversation alone. Each wish of the user knows its next call, given what has come back;
calls that were made in this turn are never made again; when no call is left, the results are the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from simulator import arguments, questions, strict, words
from simulator.answer import Answer, Call, Say, Search, Think
from simulator.clauses import CHANGES, Clause, halves, kin, split, words_of
from simulator.refusals import refusal
from simulator.schema import Table, tables_in
from simulator.shapes import Json
from simulator.situation import Done, Situation, Tool

REFUSE = re.compile(r"^[ \t]*/refuse\b[ \t]*(\w*)|ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL_\w*()", re.MULTILINE)
COMMAND = re.compile(r"^\s*/call\s+([\w.:/-]+)\s*(.*)$")
ABOUT = re.compile(
    r"\s*(?:so\W+)?(?:what (?:can|could|do) (?:you|i) do|(?:who|what) are you|how do you work)\b.{0,40}", re.I
)
FITS = 3.0
MOST_CALLS, MOST_ROUNDS = 16, 8


def think(situation: Situation, *, parallel: bool = True, may_call: bool = True) -> Answer:
    """Return the answer to a situation. Without `parallel` it calls one tool at a time, without `may_call` none."""
    refused = _refusal(situation)
    if refused:
        return refused
    commands = [found for line in situation.text.splitlines() if (found := COMMAND.match(line))]
    if commands:
        return _obey(situation, commands, parallel, may_call)
    if ABOUT.fullmatch(situation.text) and not situation.done:
        return Answer((Think("They ask about me."), Say(words.lost(situation))))
    wishes = [wish for clause in split(situation.text) for wish in _wishes(clause, situation)]
    if situation.search and may_call and not situation.done and any(not wish.served() for wish in wishes):
        return Answer((Think("No tool at hand fits; there are more."), Search(_query(situation))))
    calls = (
        [call for wish in wishes for call in wish.calls()] if may_call and len(situation.done) < MOST_CALLS * 2 else []
    )
    fresh = _new(calls, situation.done)[: MOST_CALLS if parallel else 1]
    if fresh:
        thought = Think("The words name " + ", ".join(call.name for call in fresh) + ".")
        return Answer((thought, Say(words.calling(situation, fresh)), *fresh))
    if situation.done:
        notes = [note for wish in wishes if (note := wish.note())]
        looked_up = {wish.look_up[0].name for wish in wishes if wish.look_up and wish.only_looked_up()}
        said = words.report(situation, notes, looked_up)
        return Answer((Think("All calls are back; their results are the answer."), Say(said)))
    unfilled = [wish.best for wish in wishes if wish.best]
    return Answer((Think("No offered tool fits these words."), Say(words.lost(situation, unfilled))))


def _refusal(situation: Situation) -> Answer | None:
    """Return the refusal that the words ask for: `/refuse [category]`, or the API's own test string."""
    asked = REFUSE.search(situation.text)
    if not asked or (situation.is_fallback and asked.group(1) != "everywhere"):
        return None
    return refusal((), asked.group(1) or "")


def _query(situation: Situation) -> str:
    """Return what to search tools for: the words that matter, as the search tool wants them."""
    words_wanted = sorted({word for clause in split(situation.text) for word in clause.words if len(word) > 2})
    if situation.search == "tool_search_tool_regex":
        return "|".join(words_wanted)[:200].rstrip("|") or "."
    return " ".join(words_wanted)[:500] or "tools"


def _obey(situation: Situation, commands: Sequence[re.Match[str]], parallel: bool, may_call: bool) -> Answer:
    """Return the calls that the user wrote out, or, once they are back, their results."""
    calls: list[Call] = []
    for command in commands:
        name, text = command.group(1), command.group(2).strip()
        try:
            given: Any = strict.loads(text or "{}")
        except ValueError as broken:
            return Answer(
                (Say(f"{words.introduction(situation)}`/call {name}` needs a JSON object after it: {broken}."),)
            )
        if not isinstance(given, dict):
            return Answer((Say(f"{words.introduction(situation)}`/call {name}` needs a JSON object, not {text}."),))
        calls.append(Call(name, cast(Json, given)))
    left = calls[len(situation.done) :] if not parallel else ([] if situation.done else calls)
    if left and may_call:
        thought = Think("The user wrote the calls out.")
        return Answer((thought, Say(words.calling(situation, left)), *(left if parallel else left[:1])))
    return Answer((Think("The calls that were written out are back."), Say(words.report(situation))))


def _new(calls: Sequence[Call], done: Sequence[Done]) -> list[Call]:
    """Return the calls that this turn has not made yet, each once."""
    made = {_key(one.name, one.input) for one in done}
    fresh: list[Call] = []
    for call in calls:
        key = _key(call.name, call.input)
        if key not in made:
            made.add(key)
            fresh.append(call)
    return fresh


def _key(name: str, given: Json) -> str:
    return name + json.dumps(given, sort_keys=True)


def _wishes(clause: Clause, situation: Situation) -> list[_Wish]:
    """Return the wishes in a clause: two where two tools serve what stands on either side of an `and`."""
    for left, right in halves(clause):
        first, second = _Wish(left, situation), _Wish(right, situation)
        if first.tool and second.tool and first.tool != second.tool:
            return [first, *_wishes(right, situation)]
    return [_Wish(clause, situation)]


class _Wish:
    """One clause of the user's words, and the tool that serves it."""

    def __init__(self, clause: Clause, situation: Situation) -> None:
        self.clause = clause
        self.situation = situation
        scored = sorted(
            ((score(tool, clause), tool) for tool in situation.tools), key=lambda one: (-one[0], one[1].name)
        )
        fitting = [tool for points, tool in scored if points >= FITS]
        self.best = fitting[0] if fitting else None
        self.filled = next(((tool, given) for tool in fitting if (given := arguments.fill(tool, clause))), None)
        self.look_up = _look_up(situation.tools)

    def calls(self) -> Iterator[Call]:
        """Yield the calls that this wish needs next, made ones included."""
        if self._is_question():
            yield from self._look_up_then_query()
        elif self.filled:
            tool, given = self.filled
            yield from (Call(tool.name, one) for one in given)

    @property
    def tool(self) -> str | None:
        """The tool at hand that does what is wished, or begins to; None if none does."""
        if self._is_question() and self.look_up:
            return self.look_up[0].name
        return self.filled[0].name if self.filled else None

    def served(self) -> bool:
        """Whether a tool at hand does what is wished."""
        return self.tool is not None

    def note(self) -> str | None:
        """Return what the answer has to say about this wish beside the results."""
        if not self._is_question() or questions.asks_for_tables(self.clause):
            return None
        tables = self._tables()
        if tables and questions.query(self.clause, tables) is None:
            names = ", ".join(table.name for table in tables)
            return (
                f"I found no table that your words name. There are: {names}. I can run SQL that you put in backticks."
            )
        return None

    def only_looked_up(self) -> bool:
        """Whether the schema was only the way to a query, which came back."""
        return bool(
            self._is_question()
            and not questions.asks_for_tables(self.clause)
            and questions.query(self.clause, self._tables())
        )

    def _is_question(self) -> bool:
        clause = self.clause
        if not self.look_up or clause.sql or clause.urls or clause.paths or not questions.is_question(clause):
            return False
        schema, query = self.look_up
        if self.filled and self.filled[0].name not in (schema.name, query.name):
            return bool(clause.words & {"database", "table", "db", "sql", "column", "row"})
        return True

    def _look_up_then_query(self) -> Iterator[Call]:
        assert self.look_up
        schema, query = self.look_up
        first = Call(schema.name, _whole_schema(schema))
        yield first
        if questions.asks_for_tables(self.clause):
            return
        statement = questions.query(self.clause, self._tables())
        if statement:
            name = next(name for name in query.parameters if name in ("sql", "query", "statement"))
            yield Call(query.name, {name: statement})

    def _tables(self) -> tuple[Table, ...]:
        assert self.look_up
        known = [done.text for done in self.situation.done if done.name == self.look_up[0].name and not done.is_error]
        return tables_in(known[0]) if known else ()


def _look_up(tools: Sequence[Tool]) -> tuple[Tool, Tool] | None:
    """Return the tool that tells a database's schema and the one that runs SQL, if both are offered."""
    query = next(
        (t for t in tools if {"sql", "statement"} & set(t.parameters) and words_of(t.name) & {"query", "sql", "run"}),
        None,
    )
    schema = next((t for t in tools if words_of(t.name) & {"schema", "table", "describe"} and not t.required), None)
    return (schema, query) if schema and query else None


def _whole_schema(tool: Tool) -> Json:
    """Return the arguments with which a schema tool tells the columns too."""
    choices: list[str] = tool.parameters.get("detail", {}).get("enum") or []
    wanted = next((one for one in ("full", "summary", "columns") if one in choices), None)
    return {"detail": wanted} if wanted else {}


def score(tool: Tool, clause: Clause) -> float:
    """Return how well a tool serves a clause: its name above all, then what it is said to do and what it takes."""
    server, _, short = tool.name.rpartition("__")
    name, said = words_of(short), words_of(tool.description[:400])
    takes = frozenset(word for parameter in tool.parameters for word in words_of(parameter))
    asked, wide = clause.words, kin(clause.words)
    points = 3.0 * len(name & asked) + 1.5 * len((name - asked) & wide) + 1.5 * len(words_of(server) & wide)
    points += min(2.0, 0.5 * len(said & asked)) + 0.5 * len(takes & asked) + _fit_of_things(takes, clause)
    means = name | said | takes | words_of(server)
    if clause.nouns and not kin(clause.nouns) & means and not _names_things(tool, clause):
        points -= 2.0
    if name & CHANGES and not name & CHANGES & wide:
        points -= 6.0
    return points


def _names_things(tool: Tool, clause: Clause) -> bool:
    """Whether the clause holds something that a tool could take, so that its other words need not fit."""
    named = clause.urls or clause.paths or clause.quoted or clause.ticked or clause.object is not None
    return bool(named or (arguments.SOUGHT & set(tool.required) and arguments.sought(clause)))


def _fit_of_things(takes: frozenset[str], clause: Clause) -> float:
    """Return the points for taking what the clause names, or for not taking it."""
    points = 0.0
    for things, names in ((clause.urls, arguments.ADDRESSES), (clause.sql, {"sql", "statement"})):
        if things:
            points += 6.0 if takes & names else -4.0
    if clause.paths and not clause.urls:
        points += 2.0 if takes & arguments.PATHS else -2.0
    return points
