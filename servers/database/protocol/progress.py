"""Telling the client that a long call still runs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from mcp.server.mcpserver import Context

from servers.database.errors import DatabaseError

T = TypeVar("T")
EVERY = 1.0


async def with_progress(ctx: Context[Any], seconds: float, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` gives; after the first second tell the client each second how long it has run."""
    failure: list[DatabaseError] = []
    result: list[T] = []
    start = time.monotonic()

    async def tell() -> None:
        while True:
            await anyio.sleep(EVERY)
            ran = time.monotonic() - start
            await ctx.report_progress(ran, max(seconds, ran), f"running for {ran:.0f} s")

    async with anyio.create_task_group() as group:
        group.start_soon(tell)
        try:
            result.append(await work())
        except DatabaseError as error:
            failure.append(error)
        group.cancel_scope.cancel()
    if failure:
        raise failure[0]
    return result[0]
