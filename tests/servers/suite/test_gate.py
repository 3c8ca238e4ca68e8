from __future__ import annotations

from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import TextContent

from servers.gate import Allowance, Buckets, Gate
from servers.settings import Rate
from servers.toolserver import ToolServer
from tests.servers.suite.sample import build

pytestmark = pytest.mark.anyio


def gated(notes: Path, *, deadline: float = 30, concurrency: int = 8, rate: Rate | None = None) -> ToolServer[None]:
    server = build(notes)
    Gate(Allowance(deadline, concurrency, rate), clock=lambda: 0.0).guard(server)
    return server


def test_a_bucket_allows_its_burst_and_then_its_rate() -> None:
    now = 0.0
    buckets = Buckets(Rate(per_second=2, burst=3), clock=lambda: now)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    now = 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 0.5]
    now = 100
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_every_principal_has_a_bucket_of_its_own() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), clock=lambda: 0.0)
    assert [buckets.take(who) for who in "aba"] == [0, 0, 1]


def test_a_crowd_of_principals_does_not_fill_the_memory() -> None:
    buckets = Buckets(Rate(per_second=1, burst=1), clock=lambda: 0.0)
    for number in range(10_050):
        buckets.take(str(number))
    assert buckets.take("10049") > 0, "the latest are remembered"
    assert buckets.take("0") == 0, "the one that was quiet longest is forgotten"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_that_takes_too_long_is_cancelled_and_says_so(tmp_path: Path, mode: str) -> None:
    async with Client(gated(tmp_path, deadline=0.2), mode=mode) as client:
        with anyio.fail_after(10):
            result = await client.call_tool("wait", {"seconds": 60})
            assert (await client.call_tool("echo", {"text": "next"})).content
    [block] = result.content
    assert isinstance(block, TextContent)
    assert result.is_error
    assert block.text == "timeout: stopped after 0.2 s. Ask for less at once."
    assert (tmp_path / "wait-cancelled").exists()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_who_calls_too_often_is_told_when_to_come_back(tmp_path: Path, mode: str) -> None:
    async with Client(gated(tmp_path, rate=Rate(per_second=4, burst=2)), mode=mode) as client:
        results = [await client.call_tool("echo", {"text": "x"}) for _ in range(3)]
        with pytest.raises(MCPError, match="unavailable: too many calls"):
            await client.read_resource("sample://a")
        assert await client.list_tools()
    assert [result.is_error for result in results] == [False, False, True]
    [block] = results[2].content
    assert isinstance(block, TextContent)
    assert block.text == "unavailable: too many calls in a short time. Try again in 0.2 s."


async def test_more_calls_than_places_wait_and_all_are_answered(tmp_path: Path) -> None:
    answers: list[bool] = []

    async def call(client: Client) -> None:
        answers.append((await client.call_tool("wait", {"seconds": 0.05})).is_error)

    with anyio.fail_after(20):
        async with Client(gated(tmp_path, concurrency=2)) as client, anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(call, client)
    assert answers == [False] * 8


async def test_a_queue_without_end_is_refused(tmp_path: Path) -> None:
    with anyio.fail_after(20):
        async with Client(gated(tmp_path, concurrency=1)) as client, anyio.create_task_group() as tasks:
            for _ in range(33):
                tasks.start_soon(client.call_tool, "wait", {"seconds": 60})
            await anyio.wait_all_tasks_blocked()
            [block] = (await client.call_tool("echo", {"text": "x"})).content
            assert isinstance(block, TextContent)
            assert block.text.startswith("unavailable: too many calls are waiting")
            tasks.cancel_scope.cancel()


async def test_a_caller_that_gives_up_while_waiting_frees_its_place(tmp_path: Path) -> None:
    async with Client(gated(tmp_path, concurrency=1)) as client:
        for _ in range(3):
            with anyio.move_on_after(0.05):
                await client.call_tool("wait", {"seconds": 60})
        with anyio.fail_after(10):
            assert not (await client.call_tool("echo", {"text": "x"})).is_error
