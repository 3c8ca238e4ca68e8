"""How the benchmarks measure: the same operation on several sides, in turns, in one run, reported as ratios.

A case module `benchmarks/cases/<name>.py` has one function, `cases(room: Path) -> Sequence[Case]`; `room` is an empty
folder for its fixtures. See `benchmarks/servers.py` for the runner.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HOUSE = Path(__file__).resolve().parent.parent

Operation = Callable[[], int]
"""Does the measured thing once and returns the bytes of its answer (0 where that says nothing). Raises if it failed."""


@dataclass(frozen=True)
class Side:
    """One way to do the operation of a case."""

    name: str
    """`ours`, `floor` (a one-tool server of the bare SDK), or the name of the other program."""
    ready: Callable[[], AbstractContextManager[Operation]]
    """Starts whatever is needed and gives the operation. May raise `benchmarks.foreign.Missing`."""


@dataclass(frozen=True)
class Budget:
    """What was promised: ours ≤ `ratio` times the side `to` + `plus_ms`; without `to`, ours ≤ `plus_ms`."""

    plus_ms: float = 0.0
    ratio: float = 0.0
    to: str = ""


@dataclass(frozen=True)
class Case:
    """One row of the table."""

    name: str
    """What is done, e.g. `read 1 KB`."""
    sides: Sequence[Side]
    """The first is ours."""
    budget: Budget | None = None
    rounds: int = 7
    """How often the sides take turns."""
    calls: int = 20
    """How many calls a side makes in its turn."""


@dataclass(frozen=True)
class Measured:
    """What one side needed: milliseconds per call (median and 95th percentile), and bytes of one answer."""

    p50: float
    p95: float
    size: int


@dataclass
class _Turns:
    operation: Operation
    spent: list[float] = field(default_factory=list[float])
    size: int = 0

    def take(self, calls: int) -> None:
        for _ in range(calls):
            start = time.perf_counter()
            self.size = self.operation()
            self.spent.append((time.perf_counter() - start) * 1e3)

    def measured(self) -> Measured:
        ordered = sorted(self.spent)
        return Measured(median(ordered), ordered[int(len(ordered) * 0.95) - 1], self.size)


def measure(case: Case) -> dict[str, Measured | str]:
    """Run one case and return, by side, what it needed, or why it could not run."""
    from benchmarks.foreign import Missing

    result: dict[str, Measured | str] = {}
    turns: dict[str, _Turns] = {}
    with contextlib.ExitStack() as stack:
        for side in case.sides:
            try:
                turns[side.name] = _Turns(stack.enter_context(side.ready()))
            except Missing as missing:
                result[side.name] = str(missing)
        for turn in turns.values():  # warm: imports, caches, the first page of everything
            turn.take(max(1, min(3, case.calls)))
            turn.spent.clear()
        for _ in range(case.rounds):
            for turn in turns.values():
                turn.take(case.calls)
        result |= {name: turn.measured() for name, turn in turns.items()}
    return {side.name: result[side.name] for side in case.sides}


class RawClient:
    """Speaks MCP (2025-11-25) over stdio with as little of its own as can be, so that only the server is measured."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._last = 0
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask("initialize", hello)
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return the result of one request and the bytes of the line that carried it."""
        self._last += 1
        self._send({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._answer()

    def call(self, tool: str, arguments: Mapping[str, Any]) -> int:
        """Call a tool and return the bytes of the answer, which is not parsed further than is needed to trust it."""
        self._last += 1
        self._send(
            {
                "jsonrpc": "2.0",
                "id": self._last,
                "method": "tools/call",
                "params": {"name": tool, "arguments": arguments},
            }
        )
        line = self._line()
        if b'"isError":true' in line or b'"error":{' in line[:200]:
            raise RuntimeError(f"{tool} failed: {line[:500]!r}")
        return len(line)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the server left with exit code {self._process.wait(5)}")
            if b'"id":' in line and (b'"result"' in line or b'"error"' in line):
                return line

    def _answer(self) -> tuple[dict[str, Any], int]:
        line = self._line()
        message = json.loads(line)
        if "error" in message:
            raise RuntimeError(f"the server answered {message['error']}")
        return message["result"], len(line)


@contextlib.contextmanager
def raw_client(command: Sequence[str], env: Mapping[str, str] | None = None) -> Generator[RawClient]:
    """Start a stdio server and give a `RawClient` of it; stopped at the end."""
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=HOUSE,
        env={**os.environ, **(env or {})},
    )
    try:
        yield RawClient(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def tool_side(name: str, command: Callable[[], Sequence[str]], tool: str, arguments: Mapping[str, Any]) -> Side:
    """Return the side that calls one tool of a stdio server; `command` is asked when the case starts."""

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        with raw_client(command()) as client:
            yield lambda: client.call(tool, arguments)

    return Side(name, ready)


def plain_side(name: str, operation: Operation) -> Side:
    """Return the side that does the thing in this process, without any server."""
    return Side(name, lambda: contextlib.nullcontext(operation))


def ours(server: str, *options: str) -> Callable[[], Sequence[str]]:
    """Return the command of our server `server` (`files`, `database`, `fetch`)."""
    return lambda: [sys.executable, "-m", f"servers.{server}", *options]


def floor(structured: bool = False) -> Callable[[], Sequence[str]]:
    """Return the command of a one-tool server of the bare SDK: `read(path)` returns the whole text of a file."""
    return lambda: [
        sys.executable,
        str(HOUSE / "benchmarks" / "programs" / "floor.py"),
        *(["--structured"] if structured else []),
    ]
