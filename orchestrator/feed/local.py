"""Live events to the watchers in this process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from orchestrator.events import Recorded

BACKLOG = 10_000
"""How far a watcher may fall behind before it is cut off; it comes back and reads the journal."""


class LocalFeed:
    """`ports.Feed` within one process."""

    def __init__(self) -> None:
        self._watchers: defaultdict[str, set[MemoryObjectSendStream[Recorded]]] = defaultdict(set)

    def publish(self, recorded: Recorded) -> None:
        for watcher in list(self._watchers.get(recorded.conversation_id, ())):
            try:
                watcher.send_nowait(recorded)
            except anyio.WouldBlock:
                watcher.close()
                self._watchers[recorded.conversation_id].discard(watcher)

    @asynccontextmanager
    async def watch(self, conversation_id: str) -> AsyncGenerator[AsyncIterator[Recorded]]:
        send, receive = anyio.create_memory_object_stream[Recorded](BACKLOG)
        self._watchers[conversation_id].add(send)
        try:
            with receive, send:
                yield receive
        finally:
            self._watchers[conversation_id].discard(send)
            if not self._watchers[conversation_id]:
                del self._watchers[conversation_id]
