"""Calls and results in one line each. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast

from pydantic import JsonValue

from orchestrator.cli.cleaning import one_line
from orchestrator.messages import Image, Result, text_of
from orchestrator.usage import Bill

LONGEST_ARGUMENT = 48
LONGEST_ARGUMENTS = 100
LONGEST_SUMMARY = 72
HARVEST = ("rows", "entries", "matches", "results", "items")
"""Fields that hold what was looked for; beside them stand columns, warnings and the like."""


def arguments_row(arguments: Mapping[str, JsonValue]) -> str:
    """Return the arguments as `path=. pattern="*.py"`, long values cut."""
    shown = [f"{one_line(name, 24)}={argument(value)}" for name, value in arguments.items()]
    return one_line(" ".join(shown), LONGEST_ARGUMENTS)


def argument(value: JsonValue) -> str:
    """Return a value in a few characters; words without blanks need no quotes."""
    if isinstance(value, str):
        line = one_line(value, LONGEST_ARGUMENT)
        return line if line and " " not in line and '"' not in line else json.dumps(line, ensure_ascii=False)
    return one_line(json.dumps(value, ensure_ascii=False), LONGEST_ARGUMENT)


def summary(result: Result) -> str:
    """Return what came back, in a few words: a count, a short text, or the reason of the failure."""
    text = text_of(result.content)
    if result.is_error:
        return one_line(text or "failed without a reason", LONGEST_SUMMARY * 2)
    images = sum(isinstance(block, Image) for block in result.content)
    parts = [f"{images} image{plural(images)}"] if images else []
    if text.strip() or not images:
        parts.append(text_summary(text))
    return " + ".join(parts)


def text_summary(text: str) -> str:
    """Return how much there is, or the text itself if it is short."""
    try:
        values: object = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, list):
        return counted(len(cast("list[object]", values)), "items")
    if isinstance(values, dict):
        return fields_summary(cast("dict[str, object]", values))
    lines = text.strip().splitlines()
    if len(lines) > 1:
        return f"{len(lines):,} lines"
    return one_line(text, LONGEST_SUMMARY) or "nothing"


def fields_summary(values: Mapping[str, object]) -> str:
    """Return the size of the list that matters among the fields, else the lines of a text, else the fields' names."""
    lists = {name: len(cast("list[object]", value)) for name, value in values.items() if isinstance(value, list)}
    named = [name for name in HARVEST if name in lists]
    longest = sorted((name for name in lists if lists[name]), key=lambda name: -lists[name])
    if chosen := (named or longest)[:1]:
        return counted(lists[chosen[0]], one_line(chosen[0], 24))
    texts = [value for value in values.values() if isinstance(value, str) and "\n" in value.strip()]
    if texts:
        return f"{len(max(texts, key=len).strip().splitlines()):,} lines"
    return one_line(", ".join(values) or "nothing", LONGEST_SUMMARY)


def counted(number: int, things: str) -> str:
    """Return `12 entries`, `1 entry`."""
    if number == 1:
        endings = (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("s", ""))
        ending = next((pair for pair in endings if things.endswith(pair[0])), ("", ""))
        things = things.removesuffix(ending[0]) + ending[1]
    return f"{number:,} {things}"


def plural(number: int) -> str:
    """Return the ending of a counted noun."""
    return "" if number == 1 else "s"


def duration(seconds: float) -> str:
    """Return `0.1s`, `42s`, `3m 05s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest:02}s" if minutes else f"{rest}s"


def usage_row(bill: Bill) -> str:
    """Return the tokens of a turn and what they cost: `3,412 tokens in (80% from cache), 120 out · $0.0021`.

    Without the price of a model there are no dollars; with some of the prices there are at least so many.
    """
    cached = round(100 * bill.cache_hits)
    cache = f" ({cached}% from cache)" if cached else ""
    least = "at least " if bill.unpriced else ""
    cost = f" · {least}{money(bill.dollars)}" if bill.dollars else ""
    return f"{bill.tokens.prompt_tokens:,} tokens in{cache}, {bill.tokens.output_tokens:,} out{cost}"


def money(dollars: float) -> str:
    """Return an amount of US dollars; small ones to a hundredth of a cent."""
    return f"${dollars:,.2f}" if dollars >= 0.1 else f"${dollars:.4f}"
