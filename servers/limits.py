"""Answers cut to size, and saying so: shared result models, and cutting of text and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Truncated = Literal["rows", "bytes", "cell", "time", "entries"]
"""Why an answer is not the whole: too many rows, bytes, characters in a cell, seconds, or entries."""

T = TypeVar("T")


class Value(BaseModel):
    """The base of everything that a tool returns or takes: frozen, and without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Page(Value):
    """The base of every result that may be cut; the tool adds its own fields."""

    truncated: Truncated | None = Field(default=None, description="Why this is not everything; null if it is.")
    next: str | None = Field(default=None, description="Pass this as `cursor` for the rest; null at the end.")


@dataclass(frozen=True)
class Cut:
    """The part of a text that fits."""

    text: str
    whole: bool
    """Whether nothing was left out."""
    size: int
    """How many bytes of UTF-8 `text` has."""


def cut_text(text: str, most_bytes: int, *, at_line: bool = False) -> Cut:
    """Return the longest start of `text` with at most `most_bytes` bytes of UTF-8; no character is torn.

    `at_line` ends it after the last whole line, if there is one.
    """
    if len(text) <= most_bytes // 4:  # no character has more than four bytes
        return Cut(text, True, len(text.encode(errors="surrogatepass")))
    raw = text.encode(errors="surrogatepass")
    if len(raw) <= most_bytes:
        return Cut(text, True, len(raw))
    end = max(most_bytes, 0)
    while end and raw[end] & 0xC0 == 0x80:  # inside a character
        end -= 1
    if at_line and (line := raw.rfind(b"\n", 0, end)) >= 0:
        end = line + 1
    return Cut(raw[:end].decode(errors="surrogatepass"), False, end)


def cut_cell(text: str, most_chars: int) -> tuple[str, bool]:
    """Return `text` with at most `most_chars` characters, ended by `…` if it was cut, and whether it was."""
    if len(text) <= most_chars:
        return text, False
    return text[: max(most_chars - 1, 0)] + "…", True


@dataclass(frozen=True)
class Rows(Generic[T]):
    """The rows that fit, and why there are no more."""

    kept: list[T]
    truncated: Truncated | None


def cut_rows(
    rows: Iterable[T],
    *,
    most: int,
    most_bytes: int | None = None,
    size: Callable[[T], int] = lambda row: len(str(row)),
    unit: Literal["rows", "entries"] = "rows",
) -> Rows[T]:
    """Take from `rows` until `most` of them or `most_bytes` (by `size`) are reached; at least one row is always kept.

    Looks at one row more than it keeps, so that `truncated` is never a guess.
    """
    kept: list[T] = []
    used = 0
    for row in rows:
        if len(kept) >= most:
            return Rows(kept, unit)
        used += size(row) if most_bytes is not None else 0
        if kept and most_bytes is not None and used > most_bytes:
            return Rows(kept, "bytes")
        kept.append(row)
    return Rows(kept, None)
