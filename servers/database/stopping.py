"""Run what only its engine can stop: a cancelled or late caller stops it there, and waits until it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.lowlevel

from servers.database.errors import DatabaseError, TooSlow

T = TypeVar("T")


async def run_stoppable(work: Callable[[], Awaitable[T]], stop: Callable[[], Awaitable[None]], seconds: float) -> T:
    """Return what `work` returns.

    When the caller is cancelled, or `seconds` have passed, `stop` is awaited once, and must make `work` end soon after;
    only then does this return. So nothing runs on behind the back of a caller that has left.
    Raises `TooSlow` after `seconds`, otherwise what `work` raises.
    """
    outcome: list[T] = []
    failure: list[DatabaseError] = []
    ended = late = False

    async def watch() -> None:
        nonlocal late
        try:
            await anyio.sleep(seconds)
            late = not ended
        finally:
            if not ended:
                with anyio.CancelScope(shield=True):
                    await stop()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            with anyio.CancelScope(shield=True):
                outcome.append(await work())
        except DatabaseError as error:
            failure.append(error)
        finally:
            ended = True
            group.cancel_scope.cancel()
    await anyio.lowlevel.checkpoint_if_cancelled()
    if late:
        raise TooSlow(f"Stopped after {seconds:g} s. Filter or aggregate more, or look at the plan with db_explain.")
    if failure:
        raise failure[0]
    return outcome[0]
