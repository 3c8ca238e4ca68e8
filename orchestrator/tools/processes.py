"""The processes of servers: found, started with few variables, watched, and ended with all that they started."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import cast

import anyio
import anyio.to_thread

from orchestrator.config import ServerConfig
from orchestrator.tools import keeper
from orchestrator.tools.problems import CannotStart

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "SHELL", "TERM")
"""All that a server gets of our environment; the rest, keys above all, must be declared in its `env`."""
PATIENCE = 2.0
"""Seconds from closing its standard input to SIGTERM, and from there to SIGKILL."""
LAST_MOMENT = 0.3
LINES, LINE = 100, 500
"""How much of its standard error is kept: so many lines of so many characters."""
LONGEST_MESSAGE = 64 << 20
"""Bytes of one message. A server that writes more without a line's end is not speaking the protocol."""
FULL = 1 << 20
"""Bytes read ahead of what we have looked at."""


@dataclass(frozen=True)
class Recipe:
    """How to start a program: nothing is looked up any more."""

    program: str
    args: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None

    @property
    def shown(self) -> str:
        """The command line, as a person would type it."""
        return shlex.join((self.program, *self.args))


def prepared(config: ServerConfig, env: Mapping[str, str]) -> Recipe:
    """Return how to start this server. Raises `CannotStart` if there is no such folder or program."""
    declared = {name: env[name] for name in INHERITED if name in env} | config.env
    if config.cwd is not None and not Path(config.cwd).is_dir():
        raise CannotStart(
            "config", f"its folder {config.cwd!r} does not exist", "Make the folder, or correct `cwd` in the config."
        )
    assert config.command is not None, "a server without a command has no process"
    return Recipe(
        found(config.command, declared.get("PATH", os.defpath), config.cwd), config.args, declared, config.cwd
    )


def found(command: str, path: str, cwd: str | None) -> str:
    """Return the whole path of a program, as a shell finds it. Raises `CannotStart` that says where we looked."""
    if "/" in command:
        whole = Path(cwd or ".", Path(command).expanduser()).absolute()
        if whole.is_file() and os.access(whole, os.X_OK):
            return str(whole)
        what = "is not executable" if whole.is_file() else "does not exist"
        raise CannotStart("spawn", f"the program {str(whole)!r} {what}", "Correct `command` in the config.")
    if place := shutil.which(command, path=path):
        return os.path.abspath(place)
    folders = list(dict.fromkeys(folder for folder in path.split(os.pathsep) if folder))
    near = difflib.get_close_matches(command, names_in(folders), n=1, cutoff=0.75)
    hint = f" There is {near[0]!r}: is that the one?" if near else ""
    raise CannotStart(
        "spawn",
        f"the program {command!r} was not found in {', '.join(folders) or 'an empty PATH'}",
        f"Install it, or write its whole path as `command`, or add its folder to PATH in `env`.{hint}",
    )


def names_in(folders: list[str]) -> list[str]:
    """Return the names of everything in these folders."""
    names: set[str] = set()
    for folder in folders:
        with contextlib.suppress(OSError):
            names.update(os.listdir(folder))
    return sorted(names)


class Tail:
    """The last lines that were written somewhere, in bounded memory."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES)
        self._open = b""

    def feed(self, data: bytes) -> None:
        """Add what was written."""
        *whole, self._open = (self._open + data).split(b"\n")
        self._open = self._open[: 4 * LINE]
        for line in whole[-LINES:]:
            self.add(line.decode(errors="replace"))

    def add(self, line: str) -> None:
        """Add one line."""
        if kept := "".join(char for char in line if char.isprintable())[:LINE].rstrip():
            self._lines.append(kept)

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, oldest first."""
        rest = "".join(char for char in self._open.decode(errors="replace") if char.isprintable())[:LINE].rstrip()
        return (*self._lines, rest) if rest else tuple(self._lines)


class Child(asyncio.SubprocessProtocol):
    """A running process: lines from it, bytes to it, its end.

    asyncio calls the methods of the protocol from the event loop; none of them waits.
    """

    def __init__(self) -> None:
        self.tail = Tail()
        self.exited = anyio.Event()
        self._lines: deque[bytes] = deque()
        self._waiting = 0
        self._open: list[bytes] = []
        self._open_size = 0
        self._heard = anyio.Event()
        self._ended = False
        self._stopping = False
        self._writable = anyio.Event()
        self._writable.set()
        self._transport: asyncio.SubprocessTransport | None = None
        self.outcome = ""
        """How it ended by itself, in words; nothing while it runs, or if we ended it."""

    @property
    def transport(self) -> asyncio.SubprocessTransport:
        """asyncio's handle; there from the moment that the process runs."""
        assert self._transport is not None
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it runs."""
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """asyncio: it wrote something."""
        if fd == 2:
            self.tail.feed(data)
            return
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._keep(b"".join((*self._open, line)))
            self._open, self._open_size = [], 0
        self._open.append(rest)
        self._open_size += len(rest)
        if self._open_size > LONGEST_MESSAGE:
            self.tail.add(
                f"(it wrote more than {LONGEST_MESSAGE >> 20} MiB to its standard output without a line's end)"
            )
            self.hang_up()
        elif self._waiting > FULL:
            self._pipe(1, "pause_reading")

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """asyncio: it closed a pipe."""
        if fd == 1:
            self.hang_up()
        elif fd == 0:
            self._writable.set()

    def process_exited(self) -> None:
        """asyncio: it ended. What it wrote last may still be on its way, or a grandchild may keep the pipe open."""
        self.outcome = "" if self._stopping else ended(self.transport.get_returncode())
        self.exited.set()
        self._writable.set()
        asyncio.get_running_loop().call_later(0.1, self.hang_up)

    def pause_writing(self) -> None:
        """asyncio: it does not read what we write."""
        self._writable = anyio.Event()

    def resume_writing(self) -> None:
        """asyncio: it reads again."""
        self._writable.set()

    async def line(self) -> bytes | None:
        """Return the next line it wrote, or nothing when there will be none."""
        while not self._lines:
            if self._ended:
                return None
            self._heard = anyio.Event()
            await self._heard.wait()
        line = self._lines.popleft()
        before, self._waiting = self._waiting, self._waiting - len(line)
        if before > FULL >= self._waiting:
            self._pipe(1, "resume_reading")
        return line

    async def write(self, data: bytes) -> None:
        """Send bytes to its standard input; wait while it does not read. Raises `OSError` if it is gone."""
        await self._writable.wait()
        pipe = cast("asyncio.WriteTransport | None", self.transport.get_pipe_transport(0))
        if pipe is None or pipe.is_closing() or self.exited.is_set():
            raise BrokenPipeError("the process is gone")
        pipe.write(data)

    async def stop(self) -> None:
        """End it: close its standard input, then SIGTERM, then SIGKILL to its group; each has two seconds."""
        if self._ended:
            # It has closed its output: if that is its end, we want to know how it ended.
            with anyio.move_on_after(LAST_MOMENT):
                await self.exited.wait()
        self._stopping = True
        self._pipe(0, "close")
        for last_resort in (signal.SIGTERM, signal.SIGKILL):
            with anyio.move_on_after(PATIENCE):
                await self.exited.wait()
            if self.exited.is_set():
                break
            self._signal(last_resort)
        with anyio.move_on_after(PATIENCE):
            await self.exited.wait()
        # What it left behind in its group; the keeper knows about the rest.
        self._signal(signal.SIGKILL)
        self.hang_up()
        self.transport.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.transport.get_pid(), number)

    def _keep(self, line: bytes) -> None:
        if line:
            self._lines.append(line)
            self._waiting += len(line)
            self._heard.set()

    def hang_up(self) -> None:
        """Hear nothing more from it."""
        self._ended = True
        self._heard.set()

    def _pipe(self, fd: int, verb: str) -> None:
        pipe = self.transport.get_pipe_transport(fd)
        if pipe is not None and not pipe.is_closing():
            getattr(pipe, verb)()


def ended(code: int | None) -> str:
    """Return an exit status in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


class Nursery:
    """Starts processes and knows the keeper that ends them if we cannot."""

    def __init__(self, guard: subprocess.Popen[bytes] | None) -> None:
        self._guard = guard
        self._prefix = keeper.mark_of_host(os.getpid()) if guard else ""
        self._numbers = count(1)

    @asynccontextmanager
    async def started(self, recipe: Recipe) -> AsyncGenerator[Child]:
        """Run a process for as long as the context lasts. Raises `CannotStart` if the system refuses."""
        mark = f"{self._prefix}{keeper.SEPARATOR}{next(self._numbers)}" if self._guard else ""
        loop = asyncio.get_running_loop()
        try:
            _, child = await loop.subprocess_exec(
                Child,
                recipe.program,
                *recipe.args,
                env={**recipe.env, keeper.VARIABLE: mark} if mark else dict(recipe.env),
                cwd=recipe.cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise CannotStart(
                "spawn", f"the system would not start it: {error}", "Run the command by hand to see what it says."
            ) from error
        try:
            yield child
        finally:
            with anyio.CancelScope(shield=True):
                await child.stop()
            self._forget(mark)

    def _forget(self, mark: str) -> None:
        """Have the keeper end what the process left behind outside of its group."""
        if self._guard and self._guard.stdin:
            with contextlib.suppress(OSError):
                self._guard.stdin.write(f"{mark}\n".encode())
                self._guard.stdin.flush()


@asynccontextmanager
async def nursery() -> AsyncGenerator[Nursery]:
    """Give a place to start processes from; at its end, or at ours however it comes, none of them is left."""
    if not keeper.available():
        yield Nursery(None)
        return
    # Isolated and without site-packages: it starts in some milliseconds, and nothing but our death ends it.
    command = [sys.executable, "-I", "-S", keeper.__file__, keeper.mark_of_host(os.getpid())]
    silent = subprocess.DEVNULL
    # Starting a process does not wait for it; the thread that waits for its end comes last.
    guard = subprocess.Popen(  # noqa: ASYNC220
        command, stdin=subprocess.PIPE, stdout=silent, stderr=silent, cwd="/", env={}, start_new_session=True
    )
    try:
        yield Nursery(guard)
    finally:
        assert guard.stdin is not None
        with contextlib.suppress(OSError):
            guard.stdin.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(guard.wait)
