"""The toolbox of plain functions behaves as a toolbox."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from orchestrator.messages import Call, Result, Text, text_of
from orchestrator.ports import Desk, Toolbox
from orchestrator.tools.scripted import ScriptedToolbox, ToolFailed, offered
from tests.orchestrator.tools.desks import QuietDesk

pytestmark = pytest.mark.anyio


async def echo(arguments: dict[str, JsonValue], desk: Desk) -> str:
    return str(arguments["text"])


async def refuse(arguments: dict[str, JsonValue], desk: Desk) -> Result:
    raise ToolFailed("The shelf is locked. Ask for the key.")


async def whole(arguments: dict[str, JsonValue], desk: Desk) -> Result:
    return Result(call_id="", content=(Text(text="whole"),))


def toolbox() -> Toolbox:
    plays = [(offered("b__whole"), whole), (offered("a__echo", read_only=True), echo), (offered("a__refuse"), refuse)]
    return ScriptedToolbox(plays)


async def test_tools_come_sorted_and_servers_are_ready() -> None:
    box = toolbox()
    await box.settled(5)
    assert [tool.name for tool in box.tools()] == ["a__echo", "a__refuse", "b__whole"]
    assert [(status.name, status.state, status.tools) for status in box.servers()] == [
        ("a", "ready", 2),
        ("b", "ready", 1),
    ]


@pytest.mark.parametrize(
    ("tool", "said", "is_error"),
    [
        ("a__echo", "hello", False),
        ("b__whole", "whole", False),
        ("a__refuse", "The shelf is locked. Ask for the key.", True),
        ("a__nothing", "No tool 'a__nothing'. There are: a__echo, a__refuse, b__whole.", True),
    ],
)
async def test_a_call_is_answered_under_its_own_id(tool: str, said: str, is_error: bool) -> None:
    result = await toolbox().call(Call(id="c1", tool=tool, arguments={"text": "hello"}), QuietDesk())
    assert (result.call_id, text_of(result.content), result.is_error) == ("c1", said, is_error)
