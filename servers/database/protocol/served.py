"""The databases that are served now, for what the SDK calls without a context: listed resources and completion."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from mcp.server import MCPServer

from servers.database.errors import Unavailable
from servers.database.sources import Bounds, Source, Sources


class Served:
    """Opens the sources for each lifespan of the server and closes them after it."""

    def __init__(self, sources: Sequence[Source], bounds: Bounds) -> None:
        self.described = sources
        self.bounds = bounds
        self.open: list[Sources] = []

    @property
    def sources(self) -> Sources:
        """The sources of a lifespan that is on. They are the same databases for each of them."""
        if not self.open:
            raise Unavailable("The server is stopping.")
        return self.open[-1]

    @asynccontextmanager
    async def lifespan(self, _: MCPServer[Sources]) -> AsyncGenerator[Sources]:
        """Hold the sources open."""
        sources = Sources(self.described, self.bounds)
        self.open.append(sources)
        try:
            yield sources
        finally:
            self.open.remove(sources)
            await sources.aclose()
