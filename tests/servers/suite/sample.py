"""A server run by `servers.serving` as every server of the suite is, with a tool for each thing that can happen."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, Resolve
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.types import ToolAnnotations
from pydantic import Field

from servers.limits import Page, Value
from servers.refusals import Refusal, refuse
from servers.serving import CannotServe, Program, run
from servers.toolserver import ToolServer

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)


class NoSuchRow(Refusal):
    code = "not_found"


class Numbers(Page):
    title: str | None = None
    numbers: list[int]


class Confirm(Value):
    sure: bool = Field(description="Whether to go on.")


async def ask(count: int) -> Elicit[Confirm]:
    return Elicit(f"Go on with {count}?", Confirm)


def build(notes: Path, keys: tuple[bytes, ...] = ()) -> ToolServer[None]:
    """`notes` is a folder; what happened inside is written there, for the tests to see."""

    @contextlib.asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncGenerator[None]:
        if (notes / "refuse").exists():
            raise CannotServe("The notes are not to be served. Remove the file named refuse.")
        (notes / "opened").touch()
        try:
            yield
        finally:
            await anyio.lowlevel.cancel_shielded_checkpoint()
            (notes / "closed").touch()

    server: ToolServer[None] = ToolServer(
        "sample", instructions="A sample.", lifespan=lifespan, keys=keys, subscriptions=InMemorySubscriptionBus()
    )

    add_answers(server)
    add_failures(server, notes)
    add_others(server)
    return server


def add_answers(server: ToolServer[None]) -> None:
    @server.tool(title="Echo", annotations=READ_ONLY, structured_output=False)
    async def echo(text: str) -> str:
        """Return the text."""
        if text == "stray":
            print("a stray line on standard output")  # noqa: T201 - it must not reach the client
        return text

    @server.tool(title="Count", annotations=READ_ONLY)
    async def count(to: Annotated[int, Field(ge=1, le=100)], page: int = 10, cursor: str | None = None) -> Numbers:
        """Return the numbers up to one, in pages."""
        start = server.cursors.open(cursor, "count", {"to": to}) if cursor else 0
        end = min(start + page, to)
        more = server.cursors.seal("count", {"to": to}, end) if end < to else None
        return Numbers(numbers=list(range(start, end)), truncated="rows" if more else None, next=more)


def add_failures(server: ToolServer[None], notes: Path) -> None:
    @server.tool(annotations=READ_ONLY, structured_output=False)
    async def fail(how: str) -> str:
        """Fail in one of several ways."""
        match how:
            case "refusal":
                raise NoSuchRow("No row 7. Call count to see the rows.")
            case "refuse":
                refuse("too_large", "That is too large. Ask for less.")
            case "group":
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_refuse_in_task)
            case "timeout":
                await anyio.sleep(60)
            case _:
                raise RuntimeError("secret: /etc/canary")
        return "never"

    @server.tool(annotations=READ_ONLY, structured_output=False)
    async def wait(seconds: float, ctx: Context, name: str = "wait") -> str:
        """Wait, with progress; leaves a note when it is cancelled."""
        (notes / f"{name}-started").touch()
        try:
            steps = 10
            for step in range(steps):
                await ctx.report_progress(step, steps, f"step {step}")
                await anyio.sleep(seconds / steps)
        except anyio.get_cancelled_exc_class():
            (notes / f"{name}-cancelled").touch()
            raise
        return "waited"

    @server.tool(annotations=READ_ONLY, structured_output=False)
    def block(seconds: float) -> str:
        """Block a thread, which nothing can cancel."""
        (notes / "block-started").touch()
        time.sleep(seconds)
        return "blocked"


def add_others(server: ToolServer[None]) -> None:
    @server.tool(annotations=ToolAnnotations(destructive_hint=True), structured_output=False)
    async def remove(count: int, sure: Annotated[Confirm, Resolve(ask)]) -> str:
        """Remove, after asking."""
        return f"removed {count}" if sure.sure else "kept"

    @server.resource("sample://{name}")
    async def thing(name: str) -> str:
        if name == "missing":
            raise NoSuchRow("No thing 'missing'. List the resources.")
        return f"thing {name}"

    @server.prompt()
    def review(code: str) -> str:
        """Review code."""
        return f"Review {code}"


async def _refuse_in_task() -> None:
    refuse("conflict", "It changed meanwhile. Read it again.")


def add_options(line: argparse.ArgumentParser) -> None:
    line.add_argument("--notes", type=Path)


def build_from(options: argparse.Namespace) -> ToolServer[None]:
    if options.notes is None or not options.notes.is_dir():
        raise CannotServe("--notes must name a folder.")
    return build(options.notes, options.state_keys)


PROGRAM = Program(
    name="sample",
    summary="A sample server.",
    add_options=add_options,
    build=build_from,
    posture=lambda options: {"notes": options.notes.name},
)

if __name__ == "__main__":
    raise SystemExit(run(PROGRAM))
