"""`usage`: tokens, cache hits and dollars, as a table and a small chart."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Literal

from orchestrator.app import History
from orchestrator.cli.cleaning import one_line
from orchestrator.cli.looking import looked_up
from orchestrator.cli.options import Options
from orchestrator.cli.rows import money
from orchestrator.events import Recorded, StepFinished
from orchestrator.messages import Usage
from orchestrator.pricing import Rates, prices
from orchestrator.usage import EMPTY, Bill, bills

By = Literal["day", "model", "conversation", "server"]
ALL = 1_000_000
BAR = 40
"""Cells of the longest bar."""
EIGHTHS = " ▏▎▍▌▋▊▉"
HEADS = ("steps", "fresh", "cached", "written", "output", "hits", "dollars")
NOTES: Mapping[By, str] = {
    "server": "A step counts for the servers whose tools it called; `(answers)` called none.",
    "day": "",
    "model": "",
    "conversation": "",
}


def usage(options: Options, by: By, since: datetime | None) -> int:
    """Show what was used, a row for each day, model, conversation or set of servers."""
    steps, titles = looked_up(options, all_steps)
    if since is not None:
        steps = [one for one in steps if one.at.astimezone().replace(tzinfo=None) >= since]
    found = {f"{name} {titles.get(name, '')}".rstrip(): bill for name, bill in bills(steps, KEYS[by]).items()}
    rows = table(by, found) if found else ["Nothing was used yet." if since is None else "Nothing was used since then."]
    chart = ["", *bars(found)] if by == "day" and found else []
    sys.stdout.writelines(f"{row}\n" for row in [*rows, *chart])
    return 0


async def all_steps(past: History) -> tuple[list[Recorded], Mapping[str, str]]:
    """Return every step of every conversation, in the order of time, and the titles of the conversations."""
    steps: list[Recorded] = []
    heads = await past.conversations.heads(ALL)
    for head in heads:
        events = await past.conversations.events(head.id)
        steps += [one for one in events if isinstance(one.event, StepFinished) and not copied(one)]
    return sorted(steps, key=lambda one: one.at), {head.id: head.title for head in heads}


def copied(recorded: Recorded) -> bool:
    """Whether a fork has the event from the conversation that it was made of, where it was paid for."""
    return recorded.turn_id.endswith(f".{recorded.conversation_id}")


def day_of(recorded: Recorded) -> str:
    """Return the day, as the user's clock says."""
    return f"{recorded.at.astimezone():%Y-%m-%d}"


def model_of(recorded: Recorded) -> str:
    """Return who answered."""
    return recorded.event.model if isinstance(recorded.event, StepFinished) else ""


def servers_of(recorded: Recorded) -> str:
    """Return the servers whose tools the step called."""
    calls = recorded.event.message.calls if isinstance(recorded.event, StepFinished) else ()
    return " + ".join(sorted({call.tool.partition("__")[0] for call in calls})) or "(answers)"


KEYS: Mapping[By, Callable[[Recorded], str]] = {
    "day": day_of,
    "model": model_of,
    "conversation": lambda recorded: recorded.conversation_id,
    "server": servers_of,
}


def table(by: By, found: Mapping[str, Bill]) -> list[str]:
    """Return the rows under their heads, the sum below them, and what is to be known about them."""
    whole = total(found.values())
    names = [one_line(name, 44) or "?" for name in found]
    cells = [HEADS, *(cells_of(bill) for bill in found.values()), cells_of(whole)]
    first = [by, *names, "all"]
    width = max(map(len, first))
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEADS))]
    rows = [
        "  ".join([name.ljust(width), *(cell.rjust(size) for cell, size in zip(row, widths, strict=True))]).rstrip()
        for name, row in zip(first, cells, strict=True)
    ]
    notes = [NOTES[by]] if NOTES[by] else []
    if whole.unpriced:
        models = ", ".join(one_line(model, 60) for model in sorted(whole.unpriced))
        notes.append(f"No price is known for {models}: tokens without dollars.")
    return [*rows, *([""] if notes else []), *notes]


def cells_of(bill: Bill) -> tuple[str, ...]:
    """Return what a row shows of a bill."""
    tokens = bill.tokens
    counts = (bill.steps, tokens.input_tokens, tokens.cache_read_tokens, written(tokens), tokens.output_tokens)
    priced = bill.dollars or not bill.unpriced
    cost = ("≥ " if bill.unpriced else "") + money(bill.dollars) if priced else "-"
    return (*(f"{count:,}" for count in counts), f"{bill.cache_hits:.0%}", cost)


def written(tokens: Usage) -> int:
    """Return the tokens that were written to the cache, for whatever time."""
    return tokens.cache_write_5m_tokens + tokens.cache_write_1h_tokens


def total(found: Iterable[Bill]) -> Bill:
    """Return the sum of the bills."""
    whole = EMPTY
    for bill in found:
        unpriced = whole.unpriced | bill.unpriced
        whole = Bill(whole.steps + bill.steps, whole.tokens + bill.tokens, whole.dollars + bill.dollars, unpriced)
    return whole


def bars(found: Mapping[str, Bill]) -> list[str]:
    """Return a bar for each day: dollars if any are known, else tokens."""
    priced = any(bill.dollars for bill in found.values())
    sizes = {day: bill.dollars if priced else float(bill.tokens.context_tokens) for day, bill in found.items()}
    most = max(sizes.values()) or 1.0
    shown = {day: money(size) if priced else f"{size:,.0f} tokens" for day, size in sizes.items()}
    return [f"{day}  {bar(size / most)}  {shown[day]}" for day, size in sorted(sizes.items())]


def bar(share: float) -> str:
    """Return a bar of this share of the longest, to an eighth of a cell."""
    whole, rest = divmod(round(share * BAR * 8), 8)
    return "█" * whole + (EIGHTHS[rest] if rest else "")


def price_list() -> int:
    """Show what tokens cost, as of when, and where that was read."""
    known = prices()
    rows = [f"as of {known.as_of}; {known.unit}", ""]
    width = max(map(len, known.models))
    for model, tiers in known.models.items():
        rows += [f"{model.ljust(width)}  {tier_row(tier)}" for tier in tiers]
    rows += [
        "",
        f"a web search by the provider: ${known.web_search:g}",
        "",
        "Sources:",
        *(f"  {source}" for source in known.sources),
    ]
    sys.stdout.writelines(f"{row}\n" for row in rows)
    return 0


def tier_row(tier: Rates) -> str:
    """Return the rates of a tier."""
    rates = f"{tier.input:g} in, {tier.output:g} out, {tier.write_5m:g}, {tier.write_1h:g}, {tier.read:g}"
    return rates + (f"  (prompts up to {tier.up_to:,} tokens)" if tier.up_to else "")
