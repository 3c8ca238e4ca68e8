"""Serve a simulator: until stopped, or inside another program."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING

import anyio

from simulator.settings import Settings

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

__all__ = ["Settings", "running", "serve"]

STOPPING_S = 5.0


async def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    started: Callable[[str], None] | None = None,
    stopped: Callable[[str], None] | None = None,
) -> None:
    """Serve until a signal comes or the caller cancels. Port 0 is a free one.

    `started` gets the base URL, `stopped` a table of what the requests cost (empty if there were none).
    Raises `OSError` if the address is taken.
    """
    app = _app(settings)
    try:
        async with _running(app, host, port) as url:
            with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                if started:
                    started(url)
                async for _ in signals:
                    break
    finally:
        if stopped:
            stopped(_table(app))


@contextlib.asynccontextmanager
async def running(settings: Settings, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """Serve while the block runs and yield the base URL; no signal handlers, open streams end with the block.

    Raises `OSError` if the address is taken.
    """
    async with _running(_app(settings), host, port) as url:
        yield url


@contextlib.asynccontextmanager
async def _running(app: Starlette, host: str, port: int) -> AsyncGenerator[str]:
    listener = _listener(host, port)
    server = _server(app)
    stopped = anyio.Event()

    async def answer() -> None:
        try:
            await server._serve([listener])  # pyright: ignore[reportPrivateUsage]  # `serve` would take the signals
        finally:
            stopped.set()

    failure: BaseException | None = None
    with contextlib.closing(listener):
        async with anyio.create_task_group() as group:
            group.start_soon(answer)
            try:
                yield _url(listener)
            except BaseException as error:  # noqa: BLE001  # raised again below, where no task group wraps it
                failure = error
            server.should_exit = True
            for stream in list(server.server_state.tasks):
                stream.cancel()
            with anyio.move_on_after(STOPPING_S, shield=True):
                await stopped.wait()
            group.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle on for what it accepts, which costs 40 ms per answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _app(settings: Settings) -> Starlette:
    from simulator.app import build

    return build(settings)


def _table(app: Starlette) -> str:
    from simulator.app import ledger_of

    return ledger_of(app).table()


def _server(app: Starlette) -> uvicorn.Server:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=60,
        server_header=False,
    )
    return uvicorn.Server(config)
