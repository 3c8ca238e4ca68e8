"""What every toolbox promises, the one of real servers and the one of plain functions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue

from orchestrator.messages import Call, text_of
from orchestrator.ports import Desk, Toolbox
from orchestrator.tools.scripted import ScriptedToolbox, ToolFailed, offered
from tests.orchestrator.tools.boxes import bare, opened
from tests.orchestrator.tools.desks import QuietDesk

pytestmark = pytest.mark.anyio
Open = Callable[[Path], AbstractAsyncContextManager[Toolbox]]


async def echo(arguments: dict[str, JsonValue], desk: Desk) -> str:
    return str(arguments["text"])


async def mute(arguments: dict[str, JsonValue], desk: Desk) -> str:
    await anyio.sleep_forever()
    raise AssertionError("unreachable")


async def refuse(arguments: dict[str, JsonValue], desk: Desk) -> str:
    raise ToolFailed("not on a Sunday")


@asynccontextmanager
async def scripted(_: Path) -> AsyncGenerator[Toolbox]:
    yield ScriptedToolbox([(offered("s__refuse"), refuse), (offered("s__mute"), mute), (offered("s__echo"), echo)])


@asynccontextmanager
async def real(folder: Path) -> AsyncGenerator[Toolbox]:
    async with opened(folder, s=bare()) as box:
        yield box


BOTH = pytest.mark.parametrize("open_box", [scripted, real])


@BOTH
async def test_tools_are_sorted_and_each_names_its_server(open_box: Open, tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        names = [tool.name for tool in box.tools()]
        assert names == sorted(names)
        assert {"s__echo", "s__mute", "s__refuse"} <= set(names)
        assert {(tool.server, f"{tool.server}__{tool.original}") for tool in box.tools()} == {
            ("s", name) for name in names
        }
        assert [(one.name, one.state, one.tools) for one in box.servers()] == [("s", "ready", len(names))]
        assert box.tools() == box.tools()


@BOTH
@pytest.mark.parametrize(
    ("tool", "arguments", "is_error", "said"),
    [
        ("s__echo", {"text": "hello"}, False, "hello"),
        ("s__echo", {"text": ""}, False, "(no output)"),
        ("s__refuse", {}, True, "not on a Sunday"),
        ("s__echoo", {}, True, "s__echo"),
        ("", {}, True, "''"),
    ],
)
async def test_every_call_has_a_result_of_its_own(
    open_box: Open, tmp_path: Path, tool: str, arguments: dict[str, JsonValue], is_error: bool, said: str
) -> None:
    async with open_box(tmp_path) as box:
        result = await box.call(Call(id="c9", tool=tool, arguments=arguments), QuietDesk())
    assert (result.call_id, result.is_error) == ("c9", is_error)
    assert said in text_of(result.content)


@BOTH
async def test_only_being_cancelled_raises_and_the_toolbox_goes_on(open_box: Open, tmp_path: Path) -> None:
    async with open_box(tmp_path) as box:
        await box.settled(5)
        with anyio.move_on_after(0.1) as scope:
            await box.call(Call(id="1", tool="s__mute", arguments={}), QuietDesk())
        assert scope.cancelled_caught
        result = await box.call(Call(id="2", tool="s__echo", arguments={"text": "on"}), QuietDesk())
        assert text_of(result.content) == "on"
