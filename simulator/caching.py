"""The prompt cache: what a request reads, writes and pays fresh, and why it missed.

Rules and their source: the API's page on prompt caching. An entry is written only at a breakpoint and holds the digest
of everything before it. A request looks back from each of its breakpoints over at most twenty positions, where
neighbouring tool uses are one position, and neighbouring results too. An entry can be read once the response that wrote
it has begun.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from simulator import prefix
from simulator.catalog import ModelCard
from simulator.parsing import Request
from simulator.prefix import blocks_of
from simulator.shapes import Json
from simulator.sizes import Sized, measure
from simulator.usage import Input

LOOK_BACK = 20
SECONDS: Mapping[str, int] = {"5m": 300, "1h": 3600}  # a constant of the module, never written
UNCACHEABLE = ("thinking", "redacted_thinking", "mcp_tool_listing", "fallback")
MOST_ENTRIES, MOST_TRACED = 20_000, 50_000


@dataclass(frozen=True)
class Breakpoint:
    """Where a prefix is stored, and for how long."""

    index: int
    ttl: str


@dataclass
class Entry:
    """A stored prefix."""

    expires: float
    ttl: str
    readable: bool = False


@dataclass(frozen=True)
class Trace:
    """What a past request looked like, kept to explain a miss."""

    model: str
    digests: tuple[tuple[str, str, int], ...]
    """Section, digest and total of each position."""


@dataclass(frozen=True)
class Pending:
    """A request whose entries cannot be read yet."""

    given: Input
    keys: tuple[str, ...]
    trace: Trace


class Cache:
    """What one simulator has stored."""

    def __init__(self) -> None:
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self._traced = 0

    def take(self, request: Request[Any], sent: Json, now: float, known: Sequence[Sized] | None = None) -> Pending:
        """Return what the request `sent`, begun `now`, reads and writes. Its entries wait for `begin`.

        `known` spares measuring `sent` again, if the request's settings do not part the cache.
        """
        model, parting = request.model, salt(request)
        sized = known if known is not None and not any(parting.values()) else measure(sent, model, parting)
        points = breakpoints(sent, sized)
        owner = f"{request.caller.key}\0{model.id}\0"
        keys = [owner + one.position.digest for one in sized]
        read = self._longest(keys, sized, points, model, now)
        for key in keys[: read + 1]:
            self._refresh(key, now)
        written = [point for point in points if sized[point.index].total >= model.cache_from]
        for point in written:
            self._store(keys[point.index], point.ttl, now)
        given = _split(sized, read, written)
        trace = Trace(model.id, tuple((one.position.section, one.position.digest, one.total) for one in sized))
        return Pending(given, tuple(keys[point.index] for point in written), trace)

    def begin(self, pending: Pending, message_id: str) -> None:
        """Let the entries of a request be read: its response begins."""
        for key in pending.keys:
            if key in self._entries:
                self._entries[key].readable = True
        self._traces[message_id] = pending.trace
        self._traced += len(pending.trace.digests)
        while self._traced > MOST_TRACED and len(self._traces) > 1:
            _, oldest = self._traces.popitem(last=False)
            self._traced -= len(oldest.digests)

    def diagnose(self, previous: str, pending: Pending) -> Json | None:
        """Return why the prompt is no extension of that of the message `previous`; None if it is one."""
        then, now = self._traces.get(previous), pending.trace
        if then is None:
            return {"type": "previous_message_not_found"}
        if then.model != now.model:
            return _missed("model_changed", then, 0)
        sections = (prefix.TOOLS, prefix.SYSTEM, prefix.MESSAGES)
        for section in sections:
            old = [digest for place, digest, _ in then.digests if place == section]
            new = [digest for place, digest, _ in now.digests if place == section]
            grown = section == prefix.MESSAGES
            same = _same(old, new)
            if same < len(old) or (not grown and len(new) != len(old)):
                before = sum(place in sections[: sections.index(section)] for place, *_ in then.digests)
                return _missed(f"{section}_changed", then, before + same)
        return None

    def _longest(
        self, keys: Sequence[str], sized: Sequence[Sized], points: Sequence[Breakpoint], model: ModelCard, now: float
    ) -> int:
        """Return the last position of the longest stored prefix in reach of a breakpoint, or -1."""
        best = -1
        for point in points:
            for index in _look_back(sized, point.index):
                entry = self._entries.get(keys[index])
                if entry and entry.readable and entry.expires > now and sized[index].total >= model.cache_from:
                    best = max(best, index)
                    break
        return best

    def _refresh(self, key: str, now: float) -> None:
        entry = self._entries.get(key)
        if entry and entry.readable and entry.expires > now:
            entry.expires = now + SECONDS[entry.ttl]
            self._entries.move_to_end(key)

    def _store(self, key: str, ttl: str, now: float) -> None:
        entry = self._entries.get(key)
        if entry and entry.expires > now:
            entry.ttl = max(entry.ttl, ttl, key=SECONDS.__getitem__)
            entry.expires = max(entry.expires, now + SECONDS[ttl])
            return
        self._entries[key] = Entry(now + SECONDS[ttl], ttl)
        while len(self._entries) > MOST_ENTRIES:
            self._entries.popitem(last=False)


def salt(request: Request[Any]) -> Mapping[str, str]:
    """Return the settings that part the cache: speed and format from `system` on, the rest from `messages` on."""
    body, sent = request.body, request.sent
    output = body.output_config
    choice = body.tool_choice
    pictures = any(
        block.get("type") == "image"
        for message in cast(list[Json], sent["messages"])
        for block in blocks_of(message["content"])
    )
    system = [body.speed or "standard", output.format.schema_ if output and output.format else None]
    thinking = [body.thinking.type, body.thinking.budget_tokens] if body.thinking else None
    forced = None if choice is None or choice.type == "auto" else [choice.type, choice.name]
    messages = [forced, thinking, output.effort if output else None, pictures]
    return {
        prefix.SYSTEM: "" if system == ["standard", None] else json.dumps(system),
        prefix.MESSAGES: "" if messages == [None, None, None, False] else json.dumps(messages),
    }


def breakpoints(sent: Json, sized: Sequence[Sized]) -> list[Breakpoint]:
    """Return where prefixes are stored: the explicit markers, and the automatic one on the last cacheable block."""
    found = {index: ttl for index, one in enumerate(sized) if (ttl := _marked(one.position.block))}
    automatic = sent.get("cache_control")
    if automatic:
        last = next(
            (
                index
                for index in range(len(sized) - 1, -1, -1)
                if sized[index].position.section == prefix.MESSAGES
                and sized[index].position.block.get("type") not in UNCACHEABLE
            ),
            None,
        )
        if last is not None:
            found[last] = str(automatic.get("ttl") or "5m")
    return [Breakpoint(index, ttl) for index, ttl in sorted(found.items())]


def _marked(block: Json) -> str | None:
    """Return the lifetime that a marker on a block, or on a part of a result, asks for."""
    marker: Json | None = block.get("cache_control")
    content: Any = block.get("content")
    if not marker and block.get("type") == "tool_result" and isinstance(content, list):
        marker = next((part["cache_control"] for part in cast(list[Json], content) if part.get("cache_control")), None)
    return str(marker.get("ttl") or "5m") if marker else None


def _look_back(sized: Sequence[Sized], start: int) -> list[int]:
    """Return the indexes within reach of a breakpoint, nearest first."""
    found: list[int] = []
    positions = 0
    before = ""
    for index in range(start, -1, -1):
        kind = str(sized[index].position.block.get("type", ""))
        if not (kind == before and kind in ("tool_use", "tool_result")):
            positions += 1
        before = kind
        if positions > LOOK_BACK:
            break
        found.append(index)
    return found


def _split(sized: Sequence[Sized], read: int, written: Sequence[Breakpoint]) -> Input:
    """Return the tokens by what happened to them: read, written for an hour, written for five minutes, fresh."""
    whole = sized[-1].total if sized else 0
    hit = sized[read].total if read >= 0 else 0
    hour = max([hit, *(sized[point.index].total for point in written if point.ttl == "1h")])
    end = max([hour, *(sized[point.index].total for point in written)])
    return Input(whole - end, hit, written_5m=end - hour, written_1h=hour - hit)


def _same(old: Sequence[str], new: Sequence[str]) -> int:
    return next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def _missed(kind: str, then: Trace, same: int) -> Json:
    """Return a reason with the tokens of the earlier prompt that could not be read again."""
    whole = then.digests[-1][2] if then.digests else 0
    kept = then.digests[same - 1][2] if same else 0
    return {"type": kind, "cache_missed_input_tokens": whole - kept}
