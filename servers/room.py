"""Room for what is large: however many calls run, few large things are in memory at once.

What a call holds (its place among those that run, the room for a large answer) is given back when its answer has left,
and not when its tool has returned: answers that wait to be written are memory too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

import anyio

LARGE = 512 * 1024
"""Bytes from which something is large."""
MOST_ARRIVING = 6 * 1024 * 1024
"""Bytes of large messages that are worked on at once; a single one may have more."""
SECONDS = 5.0
"""What is held is given back so long after the tool has returned, even to a client that does not read its answer."""

_answers = threading.Lock()


class Hold:
    """What one call holds. `take` is called in the thread that reads something large, the rest in the event loop."""

    def __init__(self, *, shared: bool = False) -> None:
        """`shared`: other clients are served too, so a client that is slow to read must not keep a place from them."""
        self.shared = shared
        self._deciding = threading.Lock()
        self._over = False
        self._has_room = False
        self._later: list[Callable[[], object]] = []
        self._timer: asyncio.TimerHandle | None = None

    def take(self, over: Callable[[], bool]) -> bool:
        """Wait for the room for one large answer; return whether it is there, or `over()` became true before."""
        if self._has_room:
            return True
        while not _answers.acquire(timeout=0.05):
            if self._over or over():
                return False
        with self._deciding:
            self._has_room = here = not self._over
        if not here:
            _answers.release()
        return here

    def keep(self, give_back: Callable[[], object]) -> None:
        """Call `give_back` when this is given back."""
        self._later.append(give_back)

    def give_back(self) -> None:
        """Let others have what this holds; again, it does nothing."""
        with self._deciding:
            if self._over:
                return
            self._over = True
        if self._has_room:
            _answers.release()
        if self._timer is not None:
            self._timer.cancel()
        for each in self._later:
            each()

    def give_back_soon(self) -> None:
        """Give it back after `SECONDS`, if nobody does before."""
        self._timer = asyncio.get_running_loop().call_later(SECONDS, self.give_back)


HELD: ContextVar[Hold | None] = ContextVar("held", default=None)
"""What the call holds that runs in this context; None where nobody would give it back."""


def room_for_answer(size: int, over: Callable[[], bool]) -> None:
    """Wait in a thread, until `over()`, before something of `size` bytes is read for an answer, if that is large."""
    hold = HELD.get()
    if size > LARGE and hold is not None:
        hold.take(over)


@dataclass
class Arriving:
    """Large messages that are worked on: the next one waits, for `SECONDS` at most, until there is room for it."""

    most: int = MOST_ARRIVING
    _sizes: dict[object, int] = field(default_factory=dict[object, int])
    _left: anyio.Event = field(default_factory=anyio.Event)

    async def room(self, key: object, size: int) -> None:
        """Wait for room for a message, and hold it until `done(key)`."""
        if size <= LARGE:
            return
        with anyio.move_on_after(SECONDS):
            while self._sizes and sum(self._sizes.values()) + size > self.most:
                self._left = anyio.Event() if self._left.is_set() else self._left
                await self._left.wait()
        self._sizes[key] = size

    def done(self, key: object) -> None:
        """Give back the room of a message, if it had any."""
        if self._sizes.pop(key, None) is not None:
            self._left.set()
