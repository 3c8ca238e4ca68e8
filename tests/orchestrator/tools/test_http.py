"""Servers over HTTP: found, lost and found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.config import ServerConfig
from tests.orchestrator.tools.boxes import free_port, opened, result_of, said_by, served, status_of, until
from tests.orchestrator.tools.desks import AnsweringDesk, QuietDesk

pytestmark = pytest.mark.anyio


def at(port: int, **changes: Any) -> ServerConfig:
    return ServerConfig(url=f"http://127.0.0.1:{port}/mcp", **changes)


async def test_everything_works_over_http_too(tmp_path: Path) -> None:
    port = free_port()
    async with served(port), opened(tmp_path, web=at(port)) as box:
        assert status_of(box, "web").protocol == "2026-07-28 (modern)"
        assert await said_by(box, "web__add", a=1, b=2) == "3"
        assert await said_by(box, "web__drop", AnsweringDesk({"sure": True}), table="t") == "dropped t"
        desk = QuietDesk()
        assert await said_by(box, "web__steps", desk, count=2) == "done"
        assert desk.events
        assert "characters were left out" in await said_by(box, "web__huge", count=3_000_000)
        assert await said_by(box, "web__grow", name="leaf") == "grown"
        await until(lambda: "web__leaf" in {tool.name for tool in box.tools()})


async def test_a_call_over_http_that_takes_too_long_is_cancelled_at_the_server(tmp_path: Path) -> None:
    port, note = free_port(), tmp_path / "note"
    async with served(port), opened(tmp_path, web=at(port, call_timeout=2)) as box:
        assert (await result_of(box, "web__sleep", seconds=60, note=str(note))).is_error
        await until(lambda: note.exists() and note.read_text() == "cancelled")
        assert await said_by(box, "web__add", a=1) == "2"


async def test_a_killed_http_server_fails_its_calls_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    port, note = free_port(), tmp_path / "note"
    said: list[str] = []
    async with served(port) as first, opened(tmp_path, web=at(port)) as box:

        async def sleeper() -> None:
            said.append(await said_by(box, "web__sleep", seconds=60, note=str(note)))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as calls:
                calls.start_soon(sleeper)
                await until(note.exists)
                first.kill()
        assert said[0].startswith("outcome unknown")
        await until(lambda: status_of(box, "web").state == "failed")
        assert "nothing answers at its address" in await said_by(box, "web__add", a=1)
        async with served(port):
            await until(lambda: status_of(box, "web").state == "ready", 40)
            assert await said_by(box, "web__add", a=1) == "2"


async def test_a_server_restarted_between_calls_goes_unnoticed(tmp_path: Path) -> None:
    port = free_port()
    async with served(port) as first, opened(tmp_path, web=at(port)) as box:
        before = await said_by(box, "web__pid")
        first.kill()
        await first.wait()
        async with served(port):
            await until(lambda: status_of(box, "web").state == "ready", 40)
            assert await said_by(box, "web__pid") != before


async def test_a_forgotten_session_is_opened_again_and_the_call_runs_once(tmp_path: Path) -> None:
    port = free_port()
    async with served(port, "forgetful.py"), opened(tmp_path, web=at(port)) as box:
        assert status_of(box, "web").protocol == "2025-06-18 (legacy)"
        assert await said_by(box, "web__count") == "call 1"
        assert await said_by(box, "web__forget") == "call 2"
        assert await said_by(box, "web__count") == "call 3"


async def test_the_old_transport_with_events_works(tmp_path: Path) -> None:
    port = free_port()
    old = ServerConfig(type="sse", url=f"http://127.0.0.1:{port}/sse")
    async with served(port, "suite.py", "--sse"), opened(tmp_path, old=old) as box:
        assert await said_by(box, "old__add", a=1) == "2"
