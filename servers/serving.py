"""Run any server of the suite: over stdio or streamable HTTP, from its command line to its exit code.

A server is a `Program`: its name, its options and a function that builds it. `run(PROGRAM)` is all its `__main__` says.
Around what it builds stand the gate (deadline, concurrency, rate) and the audit line; standard output carries nothing
but the protocol. Exit codes: 0 served and stopped · 1 a bug, or `--check` refused · 2 the options cannot be used.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from mcp.server import MCPServer

from servers.audit import Audit
from servers.encoded import Sparing
from servers.gate import Allowance, Gate, Holding
from servers.hosting import listen, serve_http
from servers.logs import Lines, start_logging
from servers.memory import give_back_early, settle
from servers.pipes import serve_pipes
from servers.posture import posture, refused
from servers.settings import CannotServe as CannotServe
from servers.settings import Settings, add_options, settings
from servers.tracing import start_tracing, stop_tracing


def _says_nothing(_: argparse.Namespace) -> Mapping[str, object]:
    return {}


@dataclass(frozen=True)
class Program:
    """A server of the suite as a program."""

    name: str
    """The name in the client's list, and the last part of `python -m servers.<name>`."""
    summary: str
    """One line for `--help`."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Adds the options that only this server has."""
    build: Callable[[argparse.Namespace], MCPServer[Any]]
    """Builds the server from the parsed options and `state_keys`, `secret_files`. Raises `CannotServe`."""
    concurrency: int = 8
    """How many calls run at once unless the operator says otherwise."""
    posture: Callable[[argparse.Namespace], Mapping[str, object]] = _says_nothing
    """What `--check` prints of this server's own options: JSON values, no secrets."""


@dataclass(frozen=True)
class Part:
    """One server of a serving: its program and its own options."""

    program: Program
    options: argparse.Namespace


def run(program: Program, argv: Sequence[str] | None = None) -> int:
    """Serve `program` until its client leaves or a signal comes, and return the exit code."""
    options = parser(program).parse_args(argv)
    return serve(f"mcp-{program.name}", [Part(program, options)], options)


def parser(program: Program) -> argparse.ArgumentParser:
    """Return the command line of `program`: the options of every server, then its own."""
    line = argparse.ArgumentParser(prog=f"mcp-{program.name}", description=program.summary)
    add_options(line, program.concurrency)
    program.add_options(line)
    return line


def serve(name: str, parts: Sequence[Part], options: argparse.Namespace) -> int:
    """Serve `parts` as the program `name` with the common `options`, and return the exit code."""
    give_back_early()
    try:
        common = settings(options)
        lines = start_logging(common.log_level, common.log_format)
        servers = {part.program.name: _build(part, common, lines) for part in parts}
        if common.check:
            return _print_posture(parts, servers, common)
        settle()
        return _serve(name, servers, common, lines)
    except* CannotServe as refusal:
        reason = str(next(_leaves(refusal)))
    return refuse(name, reason, check=options.check)


def refuse(name: str, reason: str, *, check: bool) -> int:
    """Say why nothing is served, as a posture if `check` asked for one, and return the exit code."""
    if check:
        print(json.dumps(refused(name, reason), indent=2))  # noqa: T201 - this is what was asked for
        return 1
    sys.stderr.write(f"{name}: {reason}\n")
    return 2


def _build(part: Part, common: Settings, lines: Lines) -> MCPServer[Any]:
    """Build one server and put the gate and the audit around it."""
    part.options.state_keys = common.state_keys
    part.options.secret_files = common.secret_files
    server = part.program.build(part.options)
    Gate(Allowance(common.deadline, common.concurrency, common.rate)).guard(server)
    sparing = Sparing()
    sparing.guard(server)
    # Outside everything of the server's own, inside the SDK's tracing.
    server.middleware[1:1] = [Holding(), Audit(part.program.name, lines.write, full=common.audit_full), sparing]
    return server


def _serve(name: str, servers: Mapping[str, MCPServer[Any]], common: Settings, lines: Lines) -> int:
    traced = start_tracing(name)

    def announce(url: str) -> None:
        lines.write(f"{name}: serving {url}")

    try:
        if common.address is None:
            if len(servers) != 1:
                raise CannotServe("several servers need --http HOST:PORT; standard input has room for one.")
            anyio.run(serve_pipes, next(iter(servers.values())))
        else:
            with listen(common.address) as at:
                anyio.run(serve_http, servers, common, at, announce)
        return 0
    finally:
        if traced:
            stop_tracing()
        lines.close()


def _print_posture(parts: Sequence[Part], servers: Mapping[str, MCPServer[Any]], common: Settings) -> int:
    async def all_of_them() -> list[dict[str, Any]]:
        return [
            await posture(part.program.name, servers[part.program.name], common, part.program.posture(part.options))
            for part in parts
        ]

    found = anyio.run(all_of_them)
    print(json.dumps(found[0] if len(found) == 1 else found, indent=2))  # noqa: T201 - this is what was asked for
    return 0


def _leaves(group: BaseExceptionGroup[CannotServe]) -> Iterator[CannotServe]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
