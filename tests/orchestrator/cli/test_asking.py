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
from orchestrator.cli.lines import Lines
from orchestrator.cli.writer import Writer
from orchestrator.events import ApprovalRequested, QuestionAsked

pytestmark = pytest.mark.anyio


@contextmanager
def somebody(typing: str) -> Generator[tuple[AtTerminal, io.StringIO]]:
    """Somebody whose keys are known beforehand."""
    read, write = os.pipe()
    with os.fdopen(read) as keyboard:
        with os.fdopen(write, "w") as keys:
            keys.write(typing)
        screen = io.StringIO()
        yield AtTerminal(Lines(keyboard), Writer(screen)), screen


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


async def test_without_a_terminal_calls_are_refused_and_remembered() -> None:
    nobody = Unattended()
    decision = await nobody.decide(request())
    assert not decision.allowed
    assert "--allow files__write" in decision.note
    assert nobody.denied == ["files__write"]
    assert await nobody.answer(question()) == Reply(None)


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
