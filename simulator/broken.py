"""Answers that break: before they begin, or in the middle of a stream."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import anyio
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from simulator import stream
from simulator.errors import Refused
from simulator.faults import Fault
from simulator.reply import Reply
from simulator.stream import Event, Pace

BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
JOINED = 16_384
GUEST_PAGE = "<html><body>Welcome to the guest network</body></html>"


async def before(fault: Fault, now: float) -> Response | None:
    """Return the broken answer that a fault asks for; None if the answer begins as if all were well.

    Raises `Refused` for an error answer.
    """
    if fault.kind == "slow":
        await anyio.sleep(fault.seconds)
    elif fault.kind == "html":
        return Response(GUEST_PAGE, media_type="text/html")
    elif fault.kind == "empty":
        return Response(b"", media_type="text/event-stream")
    elif fault.status == 502:
        return Response(BAD_GATEWAY, status_code=502, media_type="text/html")
    elif fault.status:
        raise fault.refusal(now)
    return None


async def streamed(reply: Reply, fault: Fault, pace: Pace, http: HttpRequest) -> AsyncIterator[bytes]:
    """Yield the bytes of a stream, up to where a fault ends it."""
    if fault.kind == "none" and not pace.tokens_per_second:
        async for data in _joined(reply):
            yield data
        return
    number = 0
    async for event in stream.paced(reply, pace):
        if fault.kind == "cut-arguments" and _is_input(event) and number >= fault.after:
            continue
        if fault.kind in ("overloaded", "stall", "cut", "reset", "end", "bad-json") and number >= fault.after:
            async for last in _ending(fault, http):
                yield last
            return
        number += 1
        yield event.encoded()


async def whole(response: Response, fault: Fault, http: HttpRequest) -> Response:
    """Return an answer in one piece, or what a fault of streams makes of it: late, cut, or half of its JSON.

    Raises `Refused` where a stream would break off with an error.
    """
    if fault.kind == "overloaded":
        raise Refused("Overloaded", status=529)
    if fault.kind == "stall":
        await anyio.sleep(fault.seconds)
    if fault.kind in ("end", "bad-json"):
        return Response(bytes(response.body)[:-20], media_type="application/json")
    if fault.kind in ("cut", "reset"):
        _break(http.scope["simulator.transport"], abruptly=fault.kind == "reset")
    return response


async def _joined(reply: Reply) -> AsyncIterator[bytes]:
    """Yield a stream that nothing slows down or breaks: its first event, then the others many at a time."""
    kept, size = list[bytes](), 0
    for number, event in enumerate(stream.events(reply)):
        data = event.encoded()
        kept.append(data)
        size += len(data)
        if number == 0 or size > JOINED:
            yield b"".join(kept)
            kept, size = [], 0
    yield b"".join(kept)


def _is_input(event: Event) -> bool:
    return event.data.get("delta", {}).get("type") == "input_json_delta"


async def _ending(fault: Fault, http: HttpRequest) -> AsyncIterator[bytes]:
    if fault.kind == "overloaded":
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        yield Event(error).encoded()
    if fault.kind == "stall":
        await anyio.sleep(fault.seconds)
    if fault.kind == "bad-json":
        yield b'event: content_block_delta\ndata: {"type": "content_block_del\n\n'
    if fault.kind in ("cut", "reset"):
        _break(http.scope["simulator.transport"], abruptly=fault.kind == "reset")


def _break(transport: asyncio.Transport | None, *, abruptly: bool) -> None:
    """Close a connection in the middle of an answer; abruptly is by a reset."""
    if transport is None:
        raise Refused("This server cannot break its connections.", status=500)
    if abruptly:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
