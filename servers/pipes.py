"""Standard input and output as the wire: read and written without a thread, stopped cleanly, bounded in size.

The SDK's own stdio transport reads in a thread that only the end of input can stop, so that SIGTERM would skip the
server's cleanup. While serving, descriptor 0 is the null device and 1 is standard error: what a library or a child
process prints cannot reach the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Protocol, cast

import anyio
import anyio.to_thread
from mcp.server import MCPServer
from mcp.server.stdio import stdio_server
from mcp.types import INVALID_REQUEST

from servers.stopping import SECONDS_TO_STOP, leave_within, on_stop

LONGEST_MESSAGE = 6 * 1024 * 1024
_CHUNK = 64 * 1024
_AT_ONCE = 4096  # PIPE_BUF on Linux: a ready pipe takes that much without making the writer wait (pipe(7))
_EDGE = 4096  # of a message that is too long, kept to find its id
_ID = r'"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?\d{1,20})'
_ID_AHEAD = re.compile(rf"^\s*\{{(?:(?!\"params\").)*?{_ID}".encode(), re.DOTALL)
_ID_BEHIND = re.compile(rf'{_ID}\s*(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"]{{0,100}}"\s*)*\}}\s*$'.encode())


class Wire(Protocol):
    """What the SDK's transport uses of a text file."""

    def __aiter__(self) -> AsyncGenerator[str]: ...
    async def write(self, text: str, /) -> int: ...
    async def flush(self) -> None: ...


async def serve_pipes(server: MCPServer) -> None:
    """Serve the client at standard input and output until it leaves or a signal comes."""
    with _own(0, os.O_RDONLY) as read_from, _own(1, os.O_WRONLY) as write_to:
        inner = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # as `MCPServer.run_stdio_async` does
        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as serving, on_stop(lambda: loop.call_soon_threadsafe(serving.cancel)):
            # An `anyio.AsyncFile` is asked for; it is iterated, written and flushed, nothing else (mcp 2.3).
            file = cast("anyio.AsyncFile[str]", _Pipes(read_from, write_to, serving.cancel))
            async with stdio_server(file, file) as (read, write):
                await inner.run(read, write, inner.create_initialization_options())


@contextlib.contextmanager
def _own(fd: int, flags: int) -> Generator[int]:
    """Move standard descriptor `fd` to a number of our own; from now on it is the null device, or standard error.

    It stays that: what is printed and flushed while the process ends is no protocol either.
    """
    mine = os.dup(fd)
    os.set_inheritable(mine, False)
    instead = os.open(os.devnull, flags) if fd == 0 else os.dup(2)
    os.dup2(instead, fd)
    os.close(instead)
    try:
        yield mine
    finally:
        os.close(mine)


class _Pipes:
    """Lines in, lines out; a line that is too long is answered here and not kept in memory."""

    def __init__(self, read_from: int, write_to: int, gone: Callable[[], object]) -> None:
        """`gone` is called when the client has closed its end of what we write to."""
        self._read_from = read_from
        self._write_to = write_to
        self._gone = gone
        self._writing = anyio.Lock()

    async def __aiter__(self) -> AsyncGenerator[str]:
        held = bytearray()
        while chunk := await self._read():
            if len(held) + len(chunk) > LONGEST_MESSAGE and b"\n" not in chunk:
                held += chunk
                chunk = await self._refuse(held)  # leaves nothing held
            searched = len(held)
            held += chunk
            while (end := held.find(b"\n", searched)) >= 0:
                line = held[:end].decode("utf-8", "replace")
                del held[: end + 1]
                searched = 0
                if line.strip():
                    yield line
        leave_within(SECONDS_TO_STOP)  # a tool in a thread must not outlive its client
        if held.strip():
            yield held.decode("utf-8", "replace")

    async def write(self, text: str, /) -> int:
        """Send one message; waits while the client does not read."""
        data = text.encode()
        async with self._writing:
            try:
                if len(data) <= _AT_ONCE and _ready(self._write_to):
                    data = data[os.write(self._write_to, data) :]
                if data:
                    await anyio.to_thread.run_sync(_write_all, self._write_to, data, abandon_on_cancel=True)
            except BrokenPipeError:
                self._gone()
        return len(text)

    async def flush(self) -> None:
        """Nothing is kept back."""

    async def _read(self) -> bytes:
        while True:
            try:
                await anyio.wait_readable(self._read_from)
            except (OSError, NotImplementedError):  # a file, or a system that cannot wait for pipes
                return await anyio.to_thread.run_sync(os.read, self._read_from, _CHUNK, abandon_on_cancel=True)
            with contextlib.suppress(BlockingIOError):  # the client may have made it so
                return os.read(self._read_from, _CHUNK)

    async def _refuse(self, begun: bytearray) -> bytes:
        """Pass over the rest of a message that is too long, answer it, and return what follows it."""
        size, head, tail = len(begun), bytes(begun[:_EDGE]), bytes(begun[-_EDGE:])
        begun.clear()
        after = b""
        while chunk := await self._read():
            end = chunk.find(b"\n")
            part, after = (chunk, b"") if end < 0 else (chunk[:end], chunk[end + 1 :])
            size += len(part)
            tail = (tail + part)[-_EDGE:]
            if end >= 0:
                break
        found = _ID_AHEAD.search(head) or _ID_BEHIND.search(tail)
        if found is not None:
            text = f"too_large: the message has {size} bytes, at most {LONGEST_MESSAGE} are read. Send it in parts."
            error = {"code": INVALID_REQUEST, "message": text}
            await self.write(json.dumps({"jsonrpc": "2.0", "id": json.loads(found[1]), "error": error}) + "\n")
        return after


def _ready(fd: int) -> bool:
    """Whether a small write will not wait."""
    if os.name != "posix":
        return False
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # the client may have made it so
            select.select([], [fd], [])
