"""A finished message as it goes over the wire: blocks with ids, cut to `max_tokens`, with its usage."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulator import tokens
from simulator.answer import Answer, Call, Piece, Say, Think, Whole
from simulator.catalog import ModelCard
from simulator.shapes import Json

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def new_id(prefix: str) -> str:
    """Return an id of the API's form, never given before: `msg_01…`."""
    return f"{prefix}_01" + "".join(secrets.choice(ALPHABET) for _ in range(22))


@dataclass(frozen=True)
class Block:
    """One block of the answer, and what it cost."""

    wire: Json
    """As it stands in a whole message."""
    tokens: int
    hidden: bool = False
    """Thinking whose text is not shown."""
    deltas: tuple[str, ...] = ()
    """The pieces in which the text or the arguments are streamed."""


@dataclass(frozen=True)
class Reply:
    """A message that is ready to be sent, streamed or whole."""

    id: str
    model: str
    blocks: tuple[Block, ...]
    stop_reason: str
    usage: Json
    stop_sequence: str | None = None
    stop_details: Json | None = None
    extras: Json | None = None
    """Other fields of the message, each with the place where a stream sends it: `start` or `delta`."""

    def message(self) -> Json:
        """Return the whole message."""
        extras = self.extras or {}
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": [block.wire for block in self.blocks],
            "stop_reason": self.stop_reason,
            "stop_sequence": self.stop_sequence,
            "stop_details": self.stop_details,
            "container": None,
            **extras.get("start", {}),
            **extras.get("delta", {}),
            "usage": self.usage,
        }


@dataclass(frozen=True)
class Frame:
    """How an answer is put into blocks."""

    model: ModelCard
    max_tokens: int
    stop_sequences: Sequence[str]
    show_thinking: bool
    sign: Callable[[str, int, Sequence[Json]], str]
    """Signs thinking: its text, its tokens, the blocks before it in this message."""


@dataclass(frozen=True)
class Written:
    """The blocks of an answer, and why they end."""

    blocks: tuple[Block, ...]
    stop_reason: str
    stop_sequence: str | None = None

    @property
    def tokens(self) -> int:
        """All output tokens."""
        return sum(block.tokens for block in self.blocks)

    @property
    def thinking_tokens(self) -> int:
        """Those of the thinking."""
        return sum(block.tokens for block in self.blocks if block.wire["type"] == "thinking")


def write(answer: Answer, frame: Frame) -> Written:
    """Return the blocks of `answer`; it ends early at `max_tokens` or at a stop sequence."""
    blocks: list[Block] = []
    left = frame.max_tokens
    for piece in answer.pieces:
        cut, stop = _stopped(piece, frame.stop_sequences)
        if isinstance(cut, Whole) and not cut.block["type"].endswith("tool_use"):
            blocks.append(_unbilled(cut))
            continue
        if isinstance(cut, Say) and not cut.text.strip():
            if stop:
                return Written(tuple(blocks), "stop_sequence", stop)
            continue
        block = _block(cut, frame, [one.wire for one in blocks])
        if block.tokens > left:
            short = _cut(cut, left, frame, [one.wire for one in blocks])
            return Written((*blocks, *short), "max_tokens")
        blocks.append(block)
        left -= block.tokens
        if stop:
            return Written(tuple(blocks), "stop_sequence", stop)
    return Written(tuple(blocks), answer.stop_reason)


def _unbilled(piece: Whole) -> Block:
    """Return a block that the API made, not the model: it costs no output."""
    return Block(piece.block, 0)


def _stopped(piece: Piece, sequences: Sequence[str]) -> tuple[Piece, str | None]:
    """Return the piece up to the first stop sequence in its text, and that sequence."""
    if not isinstance(piece, Say):
        return piece, None
    found = sorted((piece.text.find(one), one) for one in sequences if one in piece.text)
    return (Say(piece.text[: found[0][0]]), found[0][1]) if found else (piece, None)


def _block(piece: Piece, frame: Frame, before: Sequence[Json]) -> Block:
    if isinstance(piece, Say):
        size = tokens.of_text(piece.text, frame.model)
        return Block({"type": "text", "text": piece.text, "citations": None}, size, deltas=in_words(piece.text))
    if isinstance(piece, Think):
        size = tokens.of_text(piece.text, frame.model)
        shown = piece.text if frame.show_thinking else ""
        signature = frame.sign(shown, size, before)
        wire = {"type": "thinking", "thinking": shown, "signature": signature}
        return Block(wire, size, hidden=not frame.show_thinking, deltas=in_words(shown))
    if isinstance(piece, Call):
        wire = {
            "type": "tool_use",
            "id": new_id("toolu"),
            "name": piece.name,
            "input": piece.input,
            "caller": {"type": "direct"},
        }
        return Block(wire, 8 + tokens.of_value(piece.input, frame.model), deltas=in_pairs(piece.input, piece.cut))
    if isinstance(piece, Whole):
        deltas = in_pairs(piece.block["input"]) if piece.block["type"].endswith("tool_use") else ()
        return Block(piece.block, tokens.of_block(piece.block, frame.model), deltas=deltas)
    raise TypeError(f"{piece} is no part of an answer")


def _cut(piece: Piece, left: int, frame: Frame, before: Sequence[Json]) -> list[Block]:
    """Return what of a piece fits into `left` tokens: the beginning of a text, of thinking or of arguments."""
    room = int(left * frame.model.bytes_per_token)
    if isinstance(piece, Say | Think):
        text = piece.text.encode()[:room].decode(errors="ignore")
        return [_block(type(piece)(text), frame, before)] if text else []
    if isinstance(piece, Call) and left > 8:
        whole = _block(piece, frame, before)
        short = in_pairs(piece.input, int((left - 8) * frame.model.bytes_per_token))
        return [Block(whole.wire | {"input": _closed(short)}, left, deltas=short)]
    return []


def _closed(parts: Sequence[str]) -> Json:
    """Return the complete pairs of arguments that were cut, as the API returns them."""
    text = "".join(parts)
    for end in range(len(text), 0, -1):
        for tail in ("", "}"):
            try:
                return json.loads(text[:end].rstrip(", ") + tail)
            except ValueError:
                continue
    return {}


def in_words(text: str, size: int = 24) -> tuple[str, ...]:
    """Return `text` in pieces of about `size` characters, broken after spaces where there are some."""
    pieces: list[str] = []
    start = 0
    while start < len(text):
        end = start + size
        space = text.find(" ", end)
        end = space + 1 if 0 <= space < end + size else end
        pieces.append(text[start:end])
        start = end
    return tuple(pieces)


def in_pairs(value: Json, cut: int | None = None) -> tuple[str, ...]:
    """Return the JSON of arguments as the API streams it: an empty piece, then key by key."""
    pieces = [""]
    for index, (key, one) in enumerate(value.items()):
        pieces.append(("{" if index == 0 else ", ") + json.dumps(key, ensure_ascii=False) + ": ")
        text = json.dumps(one, ensure_ascii=False)
        pieces += [text[start : start + 40] for start in range(0, len(text), 40)]
    pieces.append("}" if value else "{}")
    if cut is None:
        return tuple(pieces)
    kept: list[str] = []
    for piece in pieces:
        kept.append(piece[: max(0, cut - sum(map(len, kept)))])
    return tuple(piece for index, piece in enumerate(kept) if piece or index == 0)
