"""The only writer of a conversation: first the disk, then memory, then the watchers."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime

import anyio

from orchestrator.conversation import Conversation, fold
from orchestrator.events import DurableEvent, LiveEvent, Recorded
from orchestrator.ports import Feed, Store, TurnRef


class Journal:
    """One open turn of one conversation, and all that may be added to it.

    `conversation` is always the fold of what is on disk. Tasks may emit at the same time; each event goes through all
    three stations before the next one begins, so every watcher sees the order of the disk.
    """

    def __init__(self, store: Store, feed: Feed, turn: TurnRef, conversation: Conversation) -> None:
        self.conversation = conversation
        self.turn = turn
        self._store = store
        self._feed = feed
        self._line = anyio.Lock()
        self._news = anyio.Condition()
        self._waiters = 0
        self._work = anyio.CancelScope()
        self._left = math.inf

    @classmethod
    async def claim(cls, store: Store, feed: Feed, conversation_id: str, turn_id: str, owner: str) -> Journal:
        """Take over a turn that is open. Raises `NotFound`, and `Conflict` if it is over."""
        turn = await store.claim(conversation_id, turn_id, owner)
        events = await store.events(conversation_id)
        return cls(store, feed, turn, fold(conversation_id, events))

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        """Record the event (or only show it, if it is live). Raises `Fenced` if another process took the turn over."""
        if isinstance(event, LiveEvent):
            self._feed.publish(self._shown(event))
            return
        # Once the disk may have it, memory must have it too: a cancelled caller waits these few milliseconds.
        with anyio.CancelScope(shield=True):
            async with self._line:
                for recorded in await self._store.append(self.turn, [event]):
                    self.conversation = self.conversation.after(recorded)
                    self._feed.publish(recorded)
            async with self._news:
                self._news.notify_all()

    async def until(self, holds: Callable[[Conversation], bool]) -> None:
        """Return as soon as the conversation is such that `holds`: the wait for a human."""
        async with self._news:
            with self._waiting():
                while not holds(self.conversation):
                    await self._news.wait()

    @contextmanager
    def at_work(self, seconds: float | None) -> Generator[anyio.CancelScope]:
        """Cut the body off after so many seconds of work; the time in which a human is asked does not count."""
        with anyio.CancelScope() as self._work:
            self._work.deadline = math.inf if seconds is None else anyio.current_time() + seconds
            yield self._work

    @contextmanager
    def _waiting(self) -> Generator[None]:
        """Stop the clock of the work while at least one task waits for a human."""
        if not self._waiters:
            self._left = self._work.deadline - anyio.current_time()
            self._work.deadline = math.inf
        self._waiters += 1
        try:
            yield
        finally:
            self._waiters -= 1
            if not self._waiters:
                self._work.deadline = anyio.current_time() + self._left

    def _shown(self, event: LiveEvent) -> Recorded:
        return Recorded(
            conversation_id=self.turn.conversation_id,
            turn_id=self.turn.turn_id,
            seq=self.conversation.seq,
            at=datetime.now(UTC),
            event=event,
        )
