"""A request as the sequence of blocks that the model reads: tools, then system, then messages.

Each position carries the digest of everything up to it, so that two requests share a prefix exactly when their digests
agree. Cache markers are no part of it, nor is the order of a block's own fields; the order inside arguments and schemas
is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from simulator.shapes import Json

TOOLS, SYSTEM, MESSAGES = "tools", "system", "messages"
AS_SENT = ("input", "input_schema", "schema")
NO_SALT: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Position:
    """One block of the prompt."""

    section: str
    place: str
    role: str
    block: Json
    digest: str
    """Of everything up to and including this block."""
    before: str
    """Of everything before it."""


def walk(sent: Json, salt: Mapping[str, str] = NO_SALT) -> Iterator[Position]:
    """Yield the positions of a request body. `salt` adds settings of the request to the digest where a section begins.

    A compaction block starts the messages anew: what was before it is not read by the model.
    """
    state = _mix("", salt.get(TOOLS, ""))
    for index, tool in enumerate(cast(list[Json], sent.get("tools") or [])):
        if not tool.get("defer_loading"):
            before, state = state, _mix(state, "tool", canonical(tool))
            yield Position(TOOLS, f"tools.{index}", "", tool, state, before)
    state = _mix(state, salt.get(SYSTEM, ""))
    for index, block in enumerate(blocks_of(sent.get("system"))):
        before, state = state, _mix(state, "system", canonical(block))
        yield Position(SYSTEM, f"system.{index}", "system", block, state, before)
    start = state = _mix(state, salt.get(MESSAGES, ""))
    for number, message in enumerate(cast(list[Json], sent.get("messages") or [])):
        frame = str(message.get("role"))
        if message.get("clear_at") or message.get("output_config"):
            frame += json.dumps([message.get("clear_at"), message.get("output_config")])
        for index, block in enumerate(blocks_of(message.get("content"))):
            before = start if block.get("type") == "compaction" else state
            state = _mix(before, frame, canonical(block))
            place = f"messages.{number}.content.{index}"
            yield Position(MESSAGES, place, str(message.get("role")), block, state, before)


def end(sent: Json) -> str:
    """Return the digest of a whole request."""
    state = ""
    for position in walk(sent):
        state = position.digest
    return state


def extend(state: str, role: str, block: Json) -> str:
    """Return the digest after one more block of a message of `role`."""
    return _mix(state, role, canonical(block))


def blocks_of(content: Any) -> list[Json]:
    """Return content as blocks, whichever way it was sent."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return cast(list[Json], content or [])


def canonical(block: Json) -> str:
    """Return a block as text: its fields sorted, without nulls, markers and defaults that clients leave out."""
    kept = _plain(block)
    if isinstance(kept.get("content"), str) and kept.get("type") in ("tool_result", "mcp_tool_result"):
        kept["content"] = [{"text": kept["content"], "type": "text"}]
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a wire value in one order; arguments and schemas keep theirs, since the model reads them as they are."""
    if isinstance(value, list):
        return [_plain(one) for one in cast(list[Any], value)]
    if not isinstance(value, dict):
        return value
    return {
        key: one if key in AS_SENT else _plain(one)
        for key, one in sorted(cast(Json, value).items())
        if one is not None and key != "cache_control" and not (key == "caller" and one == {"type": "direct"})
    }


def _mix(state: str, *parts: str) -> str:
    if not any(parts):
        return state
    digest = hashlib.sha256(state.encode())
    for part in parts:
        digest.update(b"\0" + part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]
