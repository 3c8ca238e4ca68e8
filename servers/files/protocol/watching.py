"""Tell clients which files change: those that listen (2026-07-28) and those that subscribed (before)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
from mcp.server import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated
from mcp.types import EmptyResult, SubscribeRequestParams, UnsubscribeRequestParams

from servers.files.errors import FilesError
from servers.files.folder import Folder
from servers.files.protocol.resources import uri_of
from servers.files.served import Served

MOST_SUBSCRIBED = 1000
"""URIs that sessions of the older protocol may have subscribed to at a time."""
GATHERED_MS = 400
"""How long changes are gathered before they are told, and at most between two looks whether to stop."""


@dataclass
class Subscribers:
    """The sessions of the older protocol that asked for news of a URI."""

    sessions: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    async def subscribe(self, context: ServerRequestContext[Any], params: SubscribeRequestParams) -> EmptyResult:
        """Serve `resources/subscribe`."""
        if params.uri in self.sessions or len(self.sessions) < MOST_SUBSCRIBED:
            self.sessions.setdefault(params.uri, []).append(context.session)
        return EmptyResult()

    async def unsubscribe(self, context: ServerRequestContext[Any], params: UnsubscribeRequestParams) -> EmptyResult:
        """Serve `resources/unsubscribe`: over one connection a URI is subscribed to or not."""
        self.sessions.pop(params.uri, None)
        return EmptyResult()

    async def tell(self, uri: str) -> None:
        """Send the news of `uri`; a session that has gone is forgotten."""
        alive: list[Any] = []
        for session in self.sessions.get(uri, []):
            with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await session.send_resource_updated(uri)
                alive.append(session)
        if uri in self.sessions:
            self.sessions[uri] = alive


@dataclass(frozen=True)
class Watching:
    """What is watched, and who is told."""

    served: Served
    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    subscribers: Subscribers = field(default_factory=Subscribers)

    @contextlib.asynccontextmanager
    async def running(self, _: Any) -> AsyncGenerator[None]:
        """Watch while the server runs: its lifespan."""
        async with anyio.create_task_group() as tasks:
            for folder in self.served.folders:
                await tasks.start(self._watch, folder)
            yield
            tasks.cancel_scope.cancel()

    async def _watch(self, folder: Folder, *, task_status: anyio.abc.TaskStatus[None]) -> None:
        top = folder.hosts[0].rstrip("/") + "/"
        async with contextlib.aclosing(_changes(top)) as changes:
            task_status.started()
            async for batch in changes:
                await self._tell(folder, (path.removeprefix(top) for _, path in batch))

    async def _tell(self, folder: Folder, paths: Iterable[str]) -> None:
        for path in sorted(set(paths)):
            if await anyio.to_thread.run_sync(_is_ours, folder, path):
                await self.bus.publish(ResourceUpdated(uri=uri_of(folder, path)))
                await self.subscribers.tell(uri_of(folder, path))


def _changes(top: str) -> AsyncGenerator[set[tuple[Any, str]]]:
    from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType]  # optional, only with --watch

    return awatch(top, debounce=GATHERED_MS, rust_timeout=GATHERED_MS, ignore_permission_denied=True)


def _is_ours(folder: Folder, path: str) -> bool:
    """Say whether a changed path lies in the folder itself: a watcher follows links, we do not."""
    if folder.rules.closed_to_reading(path) or path.startswith(("../", "/")):
        return False
    above = path.rpartition("/")[0]
    try:
        with folder.directory(above) as opened:
            return opened.path == above
    except FilesError:
        return False
