"""Servers behind one HTTP port: streamable HTTP at `/mcp` (or `/<name>/mcp`), with `/healthz` and `/readyz` beside it.

`Host` and `Origin` are always checked against lists (MCP 2026-07-28, transports, "Security"): the SDK does so only for
a loopback address, and a name that resolves to this machine would otherwise let any web page call.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.subscriptions import ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from servers.room import HELD, Arriving, Hold
from servers.settings import LOOPBACK, Address, CannotServe, Settings
from servers.stopping import on_stop
from servers.tokens import TokenGate

LARGEST_BODY = 4 * 1024 * 1024
MOST_CONNECTIONS = 2_000
SECONDS_TO_FINISH = 3  # for calls that run when the stop is asked for
IDLE_CONNECTION = 65  # longer than proxies keep one (60), so that they never write into a closed one


def listen(address: Address) -> socket.socket:
    """Return the listening socket. Raises: `CannotServe` if the address cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # The protocol must be said: asyncio turns Nagle's algorithm off (40 ms per answer) only for sockets that name TCP.
    at = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        at.bind((address.host, address.port))
        at.listen(2048)
    except OSError as failure:
        at.close()
        reason = (failure.strerror or str(failure)).lower()
        raise CannotServe(f"{address} cannot be listened on: {reason}. Choose another --http HOST:PORT.") from None
    return at


async def serve_http(
    servers: Mapping[str, MCPServer[Any]], settings: Settings, at: socket.socket, announce: Callable[[str], None]
) -> None:
    """Serve `servers` (one at `/mcp`, several at `/<name>/mcp`) until a signal comes; `announce` gets each URL once."""
    paths = {name: "/mcp" if len(servers) == 1 else f"/{name}/mcp" for name in servers}
    stopping = anyio.Event()
    host, port = at.getsockname()[:2]
    config = uvicorn.Config(
        application(servers, paths, settings, port, stopping),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=_room_for_connections(),
        timeout_keep_alive=IDLE_CONNECTION,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    async with contextlib.AsyncExitStack() as stack:
        for server in servers.values():
            await stack.enter_async_context(server.session_manager.run())
        for path in paths.values():
            announce(f"http://{Address(host, port)}{path}")
        await _Graceful(config, servers, stopping).serve(sockets=[at])


def application(
    servers: Mapping[str, MCPServer[Any]],
    paths: Mapping[str, str],
    settings: Settings,
    port: int,
    stopping: anyio.Event,
) -> Starlette:
    """Return the ASGI application that serves each server at its path; their session managers must run."""
    loopback = settings.address is not None and settings.address.loopback
    own = [f"http://{host}:{port}" for host in LOOPBACK] if loopback else []  # same origin: this very port
    security = TransportSecuritySettings(
        allowed_hosts=[form for host in settings.hosts for form in (host, f"{host}:*")],
        allowed_origins=[*own, *settings.origins],
    )

    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        if stopping.is_set():
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ready", "servers": list(servers)})

    arriving = Arriving()
    mounts = [
        Mount(paths[name].removesuffix("/mcp"), _guarded(server, security, settings, arriving))
        for name, server in servers.items()
    ]
    pages = Middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Mcp-Session-Id", "WWW-Authenticate"],
    )
    return Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), *mounts],
        middleware=[pages] if settings.origins else [],
    )


def _room_for_connections() -> int:
    """Let this process open as many files as it may, and return how many connections that has room for."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, min(MOST_CONNECTIONS, allowed // 2))


def _guarded(
    server: MCPServer[Any], security: TransportSecuritySettings, settings: Settings, arriving: Arriving
) -> TokenGate:
    # Answers are streamed and sessions kept: without either, cancellation and progress are lost.
    app = server.streamable_http_app(
        json_response=False,
        stateless_http=settings.stateless,
        transport_security=security,
        max_request_body_size=LARGEST_BODY,
        max_sessions=settings.sessions,
    )
    return TokenGate(Letting(app, arriving), settings.tokens)


class Letting:
    """ASGI middleware: a large body waits for room; what a call holds is given back when its answer is sent."""

    def __init__(self, app: ASGIApp, arriving: Arriving) -> None:
        self._app = app
        self._arriving = arriving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        hold = Hold(shared=True)
        HELD.set(hold)
        try:
            await self._arriving.room(hold, _size(scope))
            await self._app(scope, receive, send)
        finally:
            hold.give_back()
            self._arriving.done(hold)


def _size(scope: Scope) -> int:
    """Return how many bytes the body of a request may have."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return LARGEST_BODY
    length = headers.get("content-length", "0")
    return min(int(length), LARGEST_BODY) if length.isdecimal() and len(length) < 12 else LARGEST_BODY


class _Graceful(uvicorn.Server):
    """Ends open listen streams before it waits for them, and takes a signal as a wish, not as a way to die."""

    def __init__(self, config: uvicorn.Config, servers: Mapping[str, MCPServer[Any]], stopping: anyio.Event) -> None:
        super().__init__(config)
        self._mcp = servers
        self._stopping = stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        with on_stop(self._stop):
            yield

    def _stop(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._stopping.set()
        for server in self._mcp.values():
            inner = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # the SDK has no public way (2.3)
            entry = inner.get_request_handler("subscriptions/listen")
            if entry is not None and isinstance(entry.handler, ListenHandler):
                entry.handler.close()
        await super().shutdown(sockets)
