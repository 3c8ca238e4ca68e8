"""Text from models, tools and files, made harmless for a terminal."""

from __future__ import annotations

import re

# Control characters but newline and tab, C1 controls, direction overrides, tag characters, lone surrogates.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
BREAKS = re.compile(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]")


def clean(text: str) -> str:
    """Return `text` without anything that could move the cursor, hide words or reverse them; lines stay lines."""
    return UNSAFE.sub("", BREAKS.sub("\n", text)).expandtabs(4)


def streamed(text: str) -> str:
    """Return a piece of a stream made harmless; a lone carriage return may be half of a line's end, so it goes."""
    return UNSAFE.sub("", text.replace("\t", "    "))


def one_line(text: str, longest: int = 100) -> str:
    """Return `text` as one harmless line of at most `longest` characters."""
    return cut(" ".join(clean(text).split()), longest)


def cut(text: str, longest: int) -> str:
    """Return `text`, or its head and tail around an ellipsis if it is longer than `longest` characters."""
    if len(text) <= longest:
        return text
    tail = longest // 3
    return text[: longest - tail - 1] + "…" + text[len(text) - tail :]
