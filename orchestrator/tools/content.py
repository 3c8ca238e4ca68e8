"""What a server answers, as the result that the model reads: clean, bounded, never empty, nothing dropped silently."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)
from pydantic import JsonValue

from orchestrator.messages import Image, Result, Text
from orchestrator.tools.pictures import picture
from orchestrator.tools.texts import cleaned, said_of

NOTHING = "(no output)"
MOST_IMAGES = 20
HEAD_SHARE = 0.7
"""How much of what is kept comes from the start; the rest is the end."""
COMPARED = 2_000
"""Up to so many values of a structured answer are looked for in its text."""

Piece = Text | Image


def to_result(call_id: str, answer: CallToolResult, max_chars: int) -> Result:
    """Return the result for the model, with at most about `max_chars` characters of text."""
    pieces = list(joined(piece for block in answer.content for piece in pieces_of(block)))
    if (more := beyond(answer.structured_content, pieces)) is not None:
        pieces = list(joined([*pieces, Text(text=more)]))
    pieces = capped(few_images(pieces), max_chars)
    return Result(call_id=call_id, content=tuple(pieces) or (Text(text=NOTHING),), is_error=answer.is_error)


def pieces_of(block: ContentBlock) -> Iterator[Piece]:
    """Yield what one block becomes."""
    match block:
        case TextContent():
            yield Text(text=cleaned(block.text))
        case ImageContent():
            yield picture(block.data, block.mime_type)
        case AudioContent():
            yield Text(text=f"[audio, {cleaned(block.mime_type)}, {size(block.data)}: it cannot be given to you]")
        case ResourceLink():
            about = ", ".join(cleaned(part) for part in (block.mime_type, block.description) if part)
            kilos = f", {said_of(block.size)}" if block.size is not None else ""
            yield Text(
                text=f"[link to {cleaned(block.uri)} ({cleaned(block.name)}{', ' if about else ''}{about}{kilos})]"
            )
        case EmbeddedResource():
            yield from resource(block)


def resource(block: EmbeddedResource) -> Iterator[Piece]:
    """Yield an embedded resource: its text under a heading, its picture, or what it is."""
    held = block.resource
    kind = cleaned(held.mime_type or "")
    heading = f"[resource {cleaned(held.uri)}{', ' if kind else ''}{kind}"
    if not isinstance(held, BlobResourceContents):
        yield Text(text=f"{heading}]\n{cleaned(held.text)}")
    elif kind.startswith("image/"):
        yield Text(text=f"{heading}]")
        yield picture(held.blob, kind)
    else:
        yield Text(text=f"{heading}, {size(held.blob)}: binary, it cannot be given to you]")


def size(base64_text: str) -> str:
    """Return how large the bytes are that this base64 text stands for."""
    return said_of(len(base64_text) * 3 // 4)


def joined(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield the pieces, neighbouring texts as one with a line's end between, empty ones left out."""
    texts: list[str] = []
    for piece in pieces:
        if isinstance(piece, Text):
            texts += [piece.text] if piece.text.strip() else []
            continue
        if texts:
            yield Text(text="\n".join(texts))
            texts = []
        yield piece
    if texts:
        yield Text(text="\n".join(texts))


def beyond(structured: JsonValue, pieces: Sequence[Piece]) -> str | None:
    """Return the structured answer as JSON text if it says more than the text does, otherwise nothing."""
    if structured is None:
        return None
    text = "\n".join(piece.text for piece in pieces if isinstance(piece, Text))
    inner = structured["result"] if isinstance(structured, dict) and set(structured) == {"result"} else structured
    if not text:
        return None if inner in (None, "", [], {}) else as_json(inner)
    return None if said_in(inner, text) else as_json(inner)


def said_in(value: JsonValue, text: str) -> bool:
    """Whether the text is this JSON value, or holds every single value of it."""
    try:
        if json.loads(text) == value:
            return True
    except (ValueError, RecursionError):
        pass
    values = list(leaves(value))
    return len(values) <= COMPARED and all(leaf in text for leaf in values)


def leaves(value: JsonValue) -> Iterator[str]:
    """Yield the single values as they would stand in a text, without those that say too little to count."""
    match value:
        case dict():
            for one in value.values():
                yield from leaves(one)
        case list():
            for one in value:
                yield from leaves(one)
        case bool() | None | "":
            return
        case str():
            yield cleaned(value)
        case _:
            yield json.dumps(value)


def as_json(value: JsonValue) -> str:
    """Return the value as text that can be read and sent."""
    return cleaned(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def few_images(pieces: Iterable[Piece]) -> list[Piece]:
    """Return the pieces with the images beyond the twentieth only mentioned; requests with many are refused."""
    kept: list[Piece] = []
    seen = 0
    for piece in pieces:
        seen += isinstance(piece, Image)
        surplus = isinstance(piece, Image) and seen > MOST_IMAGES
        kept.append(Text(text=f"[image number {seen}: left out, {MOST_IMAGES} are the most]") if surplus else piece)
    return kept


def capped(pieces: Sequence[Piece], most: int) -> list[Piece]:
    """Return the pieces with the middle of their text cut out, and a statement in its place, if there is too much."""
    total = sum(len(piece.text) for piece in pieces if isinstance(piece, Text))
    if total <= most:
        return list(pieces)
    head = int(most * HEAD_SHARE)
    tail = total - (most - head)
    note = (
        f"\n[... {tail - head:,} of {total:,} characters were left out here. "
        "Ask for less at once: a range, a page, a filter. ...]\n"
    )
    kept: list[Piece] = []
    at = 0
    for piece in pieces:
        if isinstance(piece, Image):
            kept.append(piece)
            continue
        start, at = at, at + len(piece.text)
        text = piece.text[: max(0, head - start)]
        text += note if start <= head < at else ""
        text += piece.text[max(0, tail - start) :] if at > tail else ""
        kept += [Text(text=text)] if text else []
    return kept
