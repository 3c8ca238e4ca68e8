"""Two texts, and where they are not the same, in a few lines. Pure."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest

from orchestrator.cli.cleaning import clean, cut

LONGEST_LINE, MOST_LINES, MOST_COMPARED = 150, 12, 2_000
BEFORE = 40
"""How much of a line is shown before the place where it differs."""


def differences(then: str, now: str) -> list[str]:
    """Return what was (`-`) and what is (`+`), only the lines that differ; JSON is laid out first."""
    old, new = laid_out(then), laid_out(now)
    rows = list(pairs(old[:MOST_COMPARED], new[:MOST_COMPARED]))
    if not rows and then != now:
        return [f"- {len(then):,} characters", f"+ {len(now):,} characters, different after line {MOST_COMPARED:,}"]
    more = len(rows) - MOST_LINES
    return [*rows[:MOST_LINES], f"… {more:,} more lines differ"] if more > 1 else rows


def pairs(old: list[str], new: list[str]) -> Iterator[str]:
    """Yield the lines that differ, each old one before the new one that took its place."""
    for kind, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        for one, other in zip_longest(old[first:last], new[start:end]):
            skip = 0 if one is None or other is None else max(0, alike(one, other) - BEFORE)
            yield from (f"{sign} {window(line, skip)}" for sign, line in (("-", one), ("+", other)) if line is not None)


def alike(one: str, other: str) -> int:
    """Return how many characters two lines begin with alike."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def window(line: str, skip: int) -> str:
    """Return a line without its first characters, and not too long."""
    return ("…" if skip else "") + cut(line[skip:], LONGEST_LINE)


def laid_out(text: str) -> list[str]:
    """Return the lines of the text; JSON on few lines gets a line for each value."""
    with contextlib.suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    return clean(text).splitlines()
