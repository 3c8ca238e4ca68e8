"""A reply as server-sent events, in the order and the form of the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import anyio

from simulator.reply import Block, Reply
from simulator.shapes import Json


@dataclass(frozen=True)
class Pace:
    """How fast a stream runs; 0 is as fast as it can."""

    first_token_s: float = 0.0
    tokens_per_second: float = 0.0


@dataclass(frozen=True)
class Event:
    """One event, and how many tokens of output it brings."""

    data: Json
    tokens: float = 0.0

    def encoded(self) -> bytes:
        """Return the event as bytes, its `event:` line first."""
        text = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"))
        return f"event: {self.data['type']}\ndata: {text}\n\n".encode("utf-8", "replace")


def events(reply: Reply) -> Iterator[Event]:
    """Yield every event of `reply`, from `message_start` to `message_stop`."""
    extras = reply.extras or {}
    message: Json = reply.message() | {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    for late in extras.get("delta", {}):
        message.pop(late)
    first = {key: value for key, value in reply.usage.items() if key not in ("iterations", "output_tokens_details")}
    yield Event({"type": "message_start", "message": message | {"usage": first | {"output_tokens": 1}}})
    for index, block in enumerate(reply.blocks):
        yield from _of_block(index, block)
        if index == 0:
            yield Event({"type": "ping"})
    delta = {
        "stop_reason": reply.stop_reason,
        "stop_sequence": reply.stop_sequence,
        "stop_details": reply.stop_details,
        "container": None,
    }
    usage = {key: value for key, value in reply.usage.items() if key in LATE_USAGE}
    yield Event({"type": "message_delta", "delta": delta, "usage": usage, **extras.get("delta", {})})
    yield Event({"type": "message_stop"})


LATE_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
    "iterations",
    "fallback_credit",
)


def _of_block(index: int, block: Block) -> Iterator[Event]:
    kind = block.wire["type"]
    opening, streamed = _opening(block)
    yield Event({"type": "content_block_start", "index": index, "content_block": opening})
    share = block.tokens / max(1, len(streamed))
    for delta in streamed:
        yield Event({"type": "content_block_delta", "index": index, "delta": delta}, share)
    if kind == "thinking":
        signature = {"type": "signature_delta", "signature": block.wire["signature"]}
        yield Event(
            {"type": "content_block_delta", "index": index, "delta": signature}, 0 if streamed else block.tokens
        )
    yield Event({"type": "content_block_stop", "index": index})


def _opening(block: Block) -> tuple[Json, list[Json]]:
    """Return the block as it opens, and the deltas that fill it."""
    wire = block.wire
    kind = wire["type"]
    if kind == "text":
        return wire | {"text": ""}, [{"type": "text_delta", "text": part} for part in block.deltas]
    if kind == "thinking":
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": part} for part in block.deltas]
        return wire | {"thinking": "", "signature": ""}, deltas
    if kind in ("tool_use", "server_tool_use", "mcp_tool_use") and block.deltas:
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in block.deltas]
        return wire | {"input": {}}, deltas
    if kind == "compaction" and not wire.get("signature"):
        delta = {"type": "compaction_delta", "content": wire["content"]}
        return wire | {"content": None}, [delta]
    return wire, []


async def paced(reply: Reply, pace: Pace) -> AsyncIterator[Event]:
    """Yield the events of `reply` at the given speed."""
    owed = 0.0
    for event in events(reply):
        if pace.tokens_per_second > 0:
            owed += event.tokens / pace.tokens_per_second
            if owed >= 0.02:  # sleeping for less costs more than it waits
                await anyio.sleep(owed)
                owed = 0.0
        yield event
