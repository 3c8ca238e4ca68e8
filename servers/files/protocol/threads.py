"""Blocking work off the event loop, told when nobody waits for it any more."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import anyio
from anyio import to_thread

from servers.files.errors import FilesError
from servers.files.patience import SECONDS, Patience

T = TypeVar("T")
EVERY = 0.4
"""Seconds between two words of progress."""


async def in_thread(work: Callable[[Patience], T], seconds: float = SECONDS) -> T:
    """Return what `work` returns; it is told to give up when the call is cancelled."""
    patience = Patience.of(seconds)
    try:
        return await to_thread.run_sync(_without_frames, work, patience, abandon_on_cancel=True)
    finally:
        patience.given_up.set()


async def in_thread_telling(work: Callable[[Patience], T], tell: Callable[[float], Awaitable[None]]) -> T:
    """Return what `work` returns; while it goes on, `tell` is called every `EVERY` seconds with the seconds so far."""
    start, refusals, results = time.monotonic(), list[FilesError](), list[T]()

    async def telling() -> None:
        while True:
            await anyio.sleep(EVERY)
            await tell(time.monotonic() - start)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(telling)
        try:
            results.append(await in_thread(work))
        except FilesError as refusal:  # a group of one would hide it
            refusals.append(refusal)
        tasks.cancel_scope.cancel()
    if refusals:
        raise refusals[0]
    return results[0]


async def to_the_end(work: Callable[[Patience], T], seconds: float = SECONDS) -> T:
    """Return what `work` returns; a call that is cancelled still waits for it, so that no change is left half known."""
    return await to_thread.run_sync(_without_frames, work, Patience.of(seconds), abandon_on_cancel=False)


def _without_frames(work: Callable[[Patience], T], patience: Patience) -> T:
    """Return what `work` returns; its refusal comes without the frames that it went through.

    They hold whole files, and an exception that is kept somewhere keeps them until the garbage is collected.
    """
    try:
        return work(patience)
    except FilesError as error:
        refusal = error.with_traceback(None)
        refusal.__context__ = refusal.__cause__ = None
    try:
        raise refusal
    finally:
        del refusal, work


def iso(seconds: float) -> str:
    """Return a time on the disk as the tools give it, in UTC to the second."""
    return _iso(int(seconds))


@functools.lru_cache(maxsize=1024)
def _iso(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):  # a file may claim any year
        return "unknown"
