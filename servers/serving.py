"""Run any server of the suite: over stdio or streamable HTTP, from its command line to its exit code.

A server is a `Program`: its name, its options and a function that builds it. `run(PROGRAM)` is all its `__main__` says.
Exit codes: 0 served and stopped · 1 a bug · 2 the options cannot be used.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route


class CannotServe(Exception):
    """The options ask for something that this server will not do; the text says what to change."""


@dataclass(frozen=True)
class Program:
    """A server of the suite as a program."""

    name: str
    """The name in the client's list, and the last part of `python -m servers.<name>`."""
    summary: str
    """One line for `--help`."""
    add_options: Callable[[argparse.ArgumentParser], None]
    """Adds the options that only this server has."""
    build: Callable[[argparse.Namespace], MCPServer]
    """Builds the server from the parsed options. Raises `CannotServe`."""


def run(program: Program, argv: Sequence[str] | None = None) -> int:
    """Serve `program` until its client leaves or a signal comes, and return the exit code."""
    options = parser(program).parse_args(argv)
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        server = program.build(options)
    except CannotServe as refusal:
        sys.stderr.write(f"mcp-{program.name}: {refusal}\n")
        return 2
    if options.http:
        host, _, port = options.http.rpartition(":")
        anyio.run(serve_http, server, host, int(port), options.allow_host)
    else:
        anyio.run(server.run_stdio_async)
    return 0


def parser(program: Program) -> argparse.ArgumentParser:
    """Return the command line of `program`: the options of every server, then its own."""
    line = argparse.ArgumentParser(prog=f"mcp-{program.name}", description=program.summary)
    line.add_argument("--http", metavar="HOST:PORT", help="serve streamable HTTP at /mcp there, instead of stdio")
    line.add_argument("--allow-host", action="append", default=[], metavar="HOST", help="another Host header to accept")
    line.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    program.add_options(line)
    return line


async def serve_http(server: MCPServer, host: str, port: int, hosts: Sequence[str]) -> None:
    """Serve `server` at `http://host:port/mcp`, and `/healthz` beside it."""
    names = [host, "127.0.0.1", "localhost", *hosts]
    security = TransportSecuritySettings(allowed_hosts=[form for name in names for form in (name, f"{name}:*")])
    mcp = server.streamable_http_app(transport_security=security, streamable_http_path="/mcp")

    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "server": server.name})

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    app = Starlette(lifespan=lifespan, routes=[Route("/healthz", healthz), Mount("/", mcp)])
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=5)
    await uvicorn.Server(config).serve()
