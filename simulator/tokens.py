"""How many tokens a text takes: an estimate, stated in `docs/simulator.md`.

A text costs its UTF-8 bytes over the model's bytes per token, rounded up, for each piece; a picture its pixels over
750; the frame around messages and tools a few tokens each. The same piece always costs the same, so that sums agree.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from collections.abc import Iterable
from typing import Any, cast

from simulator.catalog import ModelCard
from simulator.shapes import Json

PER_MESSAGE, PER_TOOL, TOOLS_PREAMBLE = 4, 12, 320
PICTURE, DOCUMENT_PAGE = 1_600, 2_000
UNCOUNTED = ("type", "id", "cache_control", "tool_use_id", "signature", "media_type", "is_error")


def of_text(text: str, model: ModelCard) -> int:
    """Return the tokens of one text; 0 for an empty one."""
    return math.ceil(len(text.encode("utf-8", "replace")) / model.bytes_per_token)


def of_value(value: Any, model: ModelCard) -> int:
    """Return the tokens of any JSON value, as the text it is written in."""
    return of_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), model)


def of_block(block: Json, model: ModelCard) -> int:
    """Return the tokens of one content block as it was sent."""
    kind = block.get("type")
    if kind == "text":
        return of_text(str(block.get("text", "")), model)
    if kind == "thinking":
        return of_text(str(block.get("thinking", "")), model) or thought_behind(block)
    if kind in ("image", "document"):
        return _of_source(block, model)
    if kind in ("tool_result", "mcp_tool_result"):
        content: Any = block.get("content", "")
        if isinstance(content, str):
            return 8 + of_text(content, model)
        return 8 + sum(of_block(cast(Json, part), model) for part in cast(list[Any], content))
    if kind == "compaction":
        return of_text(str(block.get("content") or ""), model)
    return 8 + of_value({key: value for key, value in block.items() if key not in UNCOUNTED}, model)


def thought_behind(block: Json) -> int:
    """Return the tokens of thinking whose text was left out, from its signature's length field."""
    parts = str(block.get("signature", "")).split(".")
    return int(parts[1]) if len(parts) == 4 and parts[1].isdigit() else 0


def of_tool(entry: Json, model: ModelCard) -> int:
    """Return the tokens of one tool definition."""
    return PER_TOOL + of_value({key: value for key, value in entry.items() if key not in UNCOUNTED}, model)


def of_blocks(blocks: Iterable[Json], model: ModelCard) -> int:
    """Return the tokens of some blocks."""
    return sum(of_block(block, model) for block in blocks)


def _of_source(block: Json, model: ModelCard) -> int:
    source = cast(Json, block.get("source") or {})
    kind, data = source.get("type"), str(source.get("data", ""))
    if kind == "text":
        return of_text(data, model)
    if kind == "content":
        content: Any = source.get("content", "")
        return of_text(content, model) if isinstance(content, str) else of_blocks(cast(list[Json], content), model)
    if kind != "base64":
        return PICTURE
    if source.get("media_type") == "application/pdf":
        return max(DOCUMENT_PAGE, len(data) // 50)
    return _of_png(data) or PICTURE


def _of_png(data: str) -> int | None:
    """Return the tokens of a PNG from the size in its header; None for another format."""
    try:
        head = base64.b64decode(data[:44], validate=True)
    except (binascii.Error, ValueError):
        return None
    if not head.startswith(b"\x89PNG") or len(head) < 24:
        return None
    width, height = struct.unpack(">II", head[16:24])
    return min(PICTURE, max(1, math.ceil(width * height / 750)))
