"""Run what only its engine can stop: a cancelled or late caller stops it there, and waits until it has ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import anyio.lowlevel

from servers.database.errors import DatabaseError, TooSlow

T = TypeVar("T")
PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between one stop and the next."""


async def run_stoppable(work: Callable[[], Awaitable[T]], stop: Callable[[], Awaitable[None]], seconds: float) -> T:
    """Return what `work` returns.

    When the caller is cancelled, or `seconds` have passed, `stop` is awaited, and must make `work` end soon after; it
    is repeated, as it may come between two statements of `work`, and in the end `work` is cancelled. Only when `work`
    has ended does this return: nothing runs on behind the back of a caller that has left.
    Raises `TooSlow` after `seconds`, otherwise what `work` raises.
    """
    outcome: list[T] = []
    failure: list[DatabaseError] = []
    over = anyio.Event()
    late = False
    work_scope = anyio.CancelScope(shield=True)

    async def watch() -> None:
        nonlocal late
        try:
            await anyio.sleep(seconds)
            late = not over.is_set()
        finally:
            with anyio.CancelScope(shield=True):
                for pause in PAUSES:
                    if not over.is_set():
                        await stop()
                        with anyio.move_on_after(pause):
                            await over.wait()
                work_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            with work_scope:
                outcome.append(await work())
        except DatabaseError as error:
            failure.append(error)
        finally:
            over.set()
            group.cancel_scope.cancel()
    await anyio.lowlevel.checkpoint_if_cancelled()
    if late or not (failure or outcome):
        raise TooSlow(f"Stopped after {seconds:g} s. Filter or aggregate more, or look at the plan with db_explain.")
    if failure:
        raise failure[0]
    return outcome[0]
