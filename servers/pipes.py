"""Standard input and output as the wire: read and written without a thread, stopped cleanly, bounded in size.

The SDK's own stdio transport reads in a thread that only the end of input can stop, so that SIGTERM would skip the
server's cleanup. While serving, descriptor 0 is the null device and 1 is standard error: what a library or a child
process prints cannot reach the client.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import gc
import json
import os
import re
import select
import stat
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server import MCPServer
from mcp.shared.message import SessionMessage
from mcp.types import INVALID_REQUEST, ErrorData, JSONRPCError, JSONRPCRequest, JSONRPCResponse, jsonrpc_message_adapter

from servers.encoded import line as line_of
from servers.room import HELD, Arriving, Hold
from servers.stopping import SECONDS_TO_STOP, leave_within, on_stop

LONGEST_MESSAGE = 6 * 1024 * 1024
_CHUNK = 64 * 1024
_AT_ONCE = getattr(select, "PIPE_BUF", 512)  # a pipe that is ready takes that much without making the writer wait
_WIDEST = 1024 * 1024  # what Linux lets everyone ask for
_SWEPT = 3 * 1024 * 1024  # bytes of long messages after which their memory is given back
_EDGE = 4096  # of a message that is too long, kept to find its id
_ID = r'"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?\d{1,20})'
_ID_AHEAD = re.compile(rf"^\s*\{{(?:(?!\"params\").)*?{_ID}".encode(), re.DOTALL)
_ID_BEHIND = re.compile(rf'{_ID}\s*(?:,\s*"(?:jsonrpc|method)"\s*:\s*"[^"]{{0,100}}"\s*)*\}}\s*$'.encode())

Incoming = SessionMessage | Exception

if sys.platform == "linux":
    import fcntl
    import termios


async def serve_pipes(server: MCPServer) -> None:
    """Serve the client at standard input and output until it leaves or a signal comes."""
    with _own(0, os.O_RDONLY) as read_from, _own(1, os.O_WRONLY) as write_to:
        inner = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # as `MCPServer.run_stdio_async` does
        loop = asyncio.get_running_loop()
        with anyio.CancelScope() as serving, on_stop(lambda: loop.call_soon_threadsafe(serving.cancel)):
            pipes, arriving = _Pipes(read_from, write_to, serving.cancel), Arriving()
            lines, received = anyio.create_memory_object_stream[Incoming]()
            async with anyio.create_task_group() as tasks, received, _Sending(pipes, tasks, arriving) as sending:
                tasks.start_soon(_receive, pipes, lines, arriving, sending)
                await inner.run(received, sending, inner.create_initialization_options())


async def _receive(
    pipes: _Pipes, lines: MemoryObjectSendStream[Incoming], arriving: Arriving, sending: _Sending
) -> None:
    """Pass on what the client sends; a request that cannot be read is answered, what is no message at all passed on."""
    async with lines:
        async for line in pipes:
            message = line if isinstance(line, JSONRPCError) else _message(line)
            size = len(line) if isinstance(line, str) else 0
            del line  # a large one is not kept here while it is worked on
            if isinstance(message, SessionMessage) and isinstance(message.message, JSONRPCRequest):
                await arriving.room(message.message.id, size)
            try:
                if isinstance(message, JSONRPCError):
                    await sending.send(SessionMessage(message))
                else:
                    await lines.send(message)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody reads any more
                return
            del message


def _message(line: str) -> Incoming | JSONRPCError:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        found = _ID_AHEAD.search(line[:_EDGE].encode()) or _ID_BEHIND.search(line[-_EDGE:].encode())
        if found is None or '"method"' not in line:
            return error
        return _refusal(
            found[1], "invalid: the message is no JSON-RPC request in Unicode text. Send it in another form."
        )


def _refusal(identity: bytes, text: str) -> JSONRPCError:
    """Return the answer to the request whose id stands there as JSON."""
    return JSONRPCError(jsonrpc="2.0", id=json.loads(identity), error=ErrorData(code=INVALID_REQUEST, message=text))


class _Sending:
    """The SDK's stream to write to: a message is one line.

    What the pipe takes at once is written without another task; the rest waits for the writer, which no cancelled
    call can stop in the middle of a line.
    """

    def __init__(self, pipes: _Pipes, tasks: TaskGroup, arriving: Arriving) -> None:
        self._pipes = pipes
        self._arriving = arriving
        self._waiting = 0
        self._queue, self._queued = anyio.create_memory_object_stream[tuple[bytes, Hold | None]](1)
        tasks.start_soon(self._write_queued)

    async def send(self, item: SessionMessage, /) -> None:
        """Send one message; waits while the client does not read. Raises `anyio.ClosedResourceError`."""
        data, hold = line_of(item.message), None
        if isinstance(item.message, JSONRPCResponse | JSONRPCError):
            hold = HELD.get()
            self._arriving.done(item.message.id)
        if not self._waiting:
            data = self._pipes.write_at_once(data)
            if data:  # a begun line has to be ended, so nothing may wait here; the queue is empty
                self._waiting += 1
                self._queue.send_nowait((data, hold))
            elif hold is not None:
                hold.give_back()
            return
        self._waiting += 1
        try:
            await self._queue.send((data, hold))
        except BaseException:
            self._waiting -= 1
            raise

    async def aclose(self) -> None:
        """Let the writer end."""
        await self._queue.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _write_queued(self) -> None:
        unswept = 0
        async with self._queued:
            async for data, hold in self._queued:
                await self._pipes.write(data)
                self._waiting -= 1
                unswept += len(data)
                del data
                if unswept > _SWEPT:
                    gc.collect(1)  # the SDK leaves its copies in a cycle, and a few of these would add up
                    unswept = 0
                if hold is not None:
                    hold.give_back()


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
    """Lines in, lines out; a line that is too long is refused here and not kept in memory."""

    def __init__(self, read_from: int, write_to: int, gone: Callable[[], object]) -> None:
        """`gone` is called when the client has closed its end of what we write to."""
        self._read_from = read_from
        self._write_to = write_to
        self._gone = gone
        self._writing = anyio.Lock()
        self._room = _widened(write_to)

    async def __aiter__(self) -> AsyncGenerator[str | JSONRPCError]:
        held = bytearray()
        while chunk := await self._read():
            if len(held) + len(chunk) > LONGEST_MESSAGE and b"\n" not in chunk:
                held += chunk
                chunk, refusal = await self._pass_over(held)  # leaves nothing held
                if refusal is not None:
                    yield refusal
            searched = len(held)
            held += chunk
            while (end := held.find(b"\n", searched)) >= 0:
                with memoryview(held) as view, view[:end] as part:
                    whole = [str(part, "utf-8", "replace")]
                del held[: end + 1]
                searched = 0
                if not whole[0].isspace() and whole[0]:
                    yield whole.pop()  # a large line is not kept here while it is worked on
        leave_within(SECONDS_TO_STOP)  # a tool in a thread must not outlive its client
        if held.strip():
            yield held.decode("utf-8", "replace")

    def write_at_once(self, data: bytes) -> bytes:
        """Write `data` if the pipe takes it without making us wait, and return what is left of it."""
        if len(data) > self._room or self._writing.locked() or not _ready(self._write_to):
            return data
        if len(data) > _AT_ONCE and _unread(self._write_to):
            return data
        try:
            return data[os.write(self._write_to, data) :]
        except BlockingIOError:  # the client may have made it so
            return data
        except BrokenPipeError:
            self._gone()
            return b""

    async def write(self, data: bytes) -> None:
        """Write `data`; waits while the client does not read."""
        async with self._writing:
            try:
                await anyio.to_thread.run_sync(_write_all, self._write_to, data, abandon_on_cancel=True)
            except BrokenPipeError:
                self._gone()

    async def _read(self) -> bytes:
        while True:
            try:
                await anyio.wait_readable(self._read_from)
            except (OSError, NotImplementedError):  # a file, or a system that cannot wait for pipes
                return await anyio.to_thread.run_sync(os.read, self._read_from, _CHUNK, abandon_on_cancel=True)
            with contextlib.suppress(BlockingIOError):  # the client may have made it so
                return os.read(self._read_from, _CHUNK)

    async def _pass_over(self, begun: bytearray) -> tuple[bytes, JSONRPCError | None]:
        """Pass over the rest of a message that is too long; return what follows it, and its answer."""
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
        text = f"too_large: the message has {size} bytes, at most {LONGEST_MESSAGE} are read. Send it in parts."
        return after, _refusal(found[1], text) if found else None


def _ready(fd: int) -> bool:
    """Whether a small write will not wait."""
    if os.name != "posix":
        return False
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _widened(fd: int) -> int:
    """Make a pipe as wide as one may be (pipe(7)), and return the bytes that it takes at once when it is empty."""
    if sys.platform != "linux" or not stat.S_ISFIFO(os.fstat(fd).st_mode):
        return _AT_ONCE
    with contextlib.suppress(OSError):
        return fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _WIDEST)
    with contextlib.suppress(OSError):
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    return _AT_ONCE


def _unread(fd: int) -> bool:
    """Whether a pipe holds anything that its reader has not taken."""
    count = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, count)
    return count[0] > 0


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # the client may have made it so
            select.select([], [fd], [])
