"""Real servers for tests, and short words for what is done with them."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process

from orchestrator.config import ServerConfig
from orchestrator.messages import Call, Result, text_of
from orchestrator.ports import Desk, ServerStatus
from orchestrator.tools.toolbox import ServerToolbox, open_toolbox
from tests.orchestrator.tools.desks import QuietDesk

FIXTURES = Path(__file__).parent / "fixtures"
HOUSE = Path(__file__).parents[3]
ENV = {**os.environ, "SECRET_OF_THE_HOST": "do not pass on"}


def suite(**changes: Any) -> ServerConfig:
    """The well-behaved server on the SDK."""
    return ServerConfig(command=sys.executable, args=(str(FIXTURES / "suite.py"),), **changes)


def bare(how: str = "well", *rest: str, **changes: Any) -> ServerConfig:
    """The server in plain Python that behaves as `how` says."""
    return ServerConfig(command=sys.executable, args=("-S", str(FIXTURES / "bare.py"), how, *rest), **changes)


@asynccontextmanager
async def opened(folder: Path, **servers: ServerConfig) -> AsyncGenerator[ServerToolbox]:
    """Open a toolbox and wait until its servers have settled."""
    async with open_toolbox(servers, env=ENV, state_dir=folder, max_result_chars=2_000) as box:
        await box.settled(60)
        yield box


async def result_of(box: ServerToolbox, tool: str, desk: Desk | None = None, **arguments: Any) -> Result:
    """Call a tool; nothing here takes longer than a minute, however busy the machine."""
    with anyio.fail_after(60):
        return await box.call(Call(id="call", tool=tool, arguments=arguments), desk or QuietDesk())


async def said_by(box: ServerToolbox, tool: str, desk: Desk | None = None, **arguments: Any) -> str:
    """Call a tool and return its words."""
    return text_of((await result_of(box, tool, desk, **arguments)).content)


def status_of(box: ServerToolbox, name: str) -> ServerStatus:
    """Return how one server is doing."""
    return next(status for status in box.servers() if status.name == name)


def free_port() -> int:
    """Return a port of the loopback device that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def served(port: int, *program: str) -> AsyncGenerator[Process]:
    """Serve a fixture over HTTP at this port, the suite if no other is named."""
    name, *options = program or ("suite.py", "--http")
    command = [sys.executable, str(FIXTURES / name), *options, str(port)]
    async with await anyio.open_process(command, stdout=None, stderr=None) as process:
        try:
            await until(lambda: listening(port), 60)
            yield process
        finally:
            if process.returncode is None:
                process.kill()


def listening(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Return when it is true. Raises `TimeoutError` if it never is."""
    with anyio.fail_after(seconds):
        while not true():  # noqa: ASYNC110  other processes set no event of ours
            await anyio.sleep(0.02)


async def gone(pids: list[int], seconds: float = 30) -> None:
    """Return when none of these processes runs; zombies do not count."""
    await until(lambda: not any(alive(pid) for pid in pids), seconds)


def alive(pid: int) -> bool:
    """Whether the process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
