"""How bytes travel to a server and back: pipes of a process of ours, or HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import anyio
import httpx2
from mcp.client._transport import ReadStream, TransportStreams
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from orchestrator.config import ServerConfig
from orchestrator.tools.processes import LONGEST_MESSAGE, Child, Nursery, Recipe
from orchestrator.tools.trace import Trace

STRAY_LINES = 20
"""How much of what a server prints by mistake is kept."""


class Incoming:
    """Messages from a process. What is not one goes to its last words, because nothing else can be done with it."""

    def __init__(self, child: Child, trace: Trace) -> None:
        self._child = child
        self._trace = trace

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        while (line := await self._child.line()) is not None:
            message = parsed(line)
            if message is not None:
                self._trace.mender.look(message)
                return SessionMessage(message)
            self._trace.stray += 1
            if self._trace.stray <= STRAY_LINES:
                self._child.tail.add(f"(on standard output) {line[:400].decode(errors='replace')}")
        self._trace.lost.set()
        raise StopAsyncIteration

    async def receive(self) -> SessionMessage | Exception:
        return await anext(self)

    async def aclose(self) -> None:
        """Nothing to close: the process is ended by whoever started it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class Outgoing:
    """Messages to a process."""

    def __init__(self, child: Child) -> None:
        self._child = child

    async def send(self, item: SessionMessage, /) -> None:
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            await self._child.write(text.encode() + b"\n")
        except OSError:
            # The other direction tells everybody who waits.
            self._child.hang_up()

    async def aclose(self) -> None:
        """Nothing to close: the process is ended by whoever started it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()


class Tapped:
    """Messages from elsewhere, whose end is noted."""

    def __init__(self, inner: ReadStream[SessionMessage | Exception], trace: Trace) -> None:
        self._inner = inner
        self._trace = trace

    @property
    def last_context(self) -> object:
        """The context that the last message was sent in, which the SDK restores."""
        return getattr(self._inner, "last_context", None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            item = await anext(aiter(self._inner))
        except (StopAsyncIteration, anyio.ClosedResourceError):
            self._trace.lost.set()
            raise
        if isinstance(item, SessionMessage):
            self._trace.mender.look(item.message)
        return item

    async def receive(self) -> SessionMessage | Exception:
        return await anext(self)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(exc_type, exc_val, exc_tb)


def parsed(line: bytes) -> JSONRPCMessage | None:
    """Return the message on this line, if it is one."""
    try:
        return jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        return None


@asynccontextmanager
async def stdio(recipe: Recipe, nursery: Nursery, trace: Trace) -> AsyncGenerator[TransportStreams]:
    """Run the program and talk over its pipes. Raises `CannotStart`."""
    trace.phase = "spawn"
    async with nursery.started(recipe) as child:
        trace.child = child
        trace.phase = "negotiate"
        yield Incoming(child, trace), Outgoing(child)


@asynccontextmanager
async def http(config: ServerConfig, trace: Trace) -> AsyncGenerator[TransportStreams]:
    """Talk to an address. Reading never times out here: each call has its own clock."""
    assert config.url is not None
    trace.phase = "negotiate"

    async def seen(response: httpx2.Response) -> None:
        trace.status = response.status_code

    def client(*_: object, **__: object) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers=config.headers,
            timeout=httpx2.Timeout(connect=min(config.connect_timeout, 30), read=None, write=60, pool=None),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
            event_hooks={"response": [seen]},
        )

    if config.type == "sse":
        async with sse_client(config.url, httpx_client_factory=client) as (read, write):
            yield Tapped(read, trace), write
        return
    async with client() as connection:
        transport = streamable_http_client(config.url, http_client=connection, max_sse_event_size=LONGEST_MESSAGE)
        async with transport as (read, write):
            yield Tapped(read, trace), write
