"""A long text in parts that put together are the whole."""

from __future__ import annotations

from dataclasses import dataclass

from servers.fetch.failures import Invalid


@dataclass(frozen=True)
class Part:
    """A piece of a text: `text[start:end]` of `total` characters."""

    text: str
    start: int
    end: int
    total: int

    @property
    def next(self) -> int | None:
        """Where the next part starts; None if this is the last."""
        return self.end if self.end < self.total else None


def part(text: str, start: int, most_chars: int) -> Part:
    """Return the part of `text` that starts at `start`, ended at a line end when one is near.

    Raises `Refusal` (invalid) if the text ends before `start`.
    """
    if start > len(text) or (start == len(text) and start > 0):
        raise Invalid(f"start={start} is past the end: the page has {len(text)} characters. Ask with a smaller start.")
    end = start + most_chars
    if end >= len(text):
        return Part(text[start:], start, len(text), len(text))
    line_end = text.rfind("\n", start + most_chars * 9 // 10, end) + 1
    end = line_end if line_end > start else end
    return Part(text[start:end], start, end, len(text))
