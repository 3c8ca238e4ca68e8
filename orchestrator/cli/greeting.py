"""The start screen, and how servers are doing, in a few lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.app import App
from orchestrator.cli.cleaning import clean, one_line
from orchestrator.cli.opening import KINDS
from orchestrator.cli.rows import duration, money, plural
from orchestrator.ports import ServerStatus
from orchestrator.pricing import rates

SIMULATED = "The simulator answers: no ANTHROPIC_API_KEY is set. It is a small program, not a language model."

NAMED = 2
"""Up to so many servers that are starting are named; of more only their number is said."""


def greeting(app: App, version: str, model: str = "") -> list[str]:
    """Return the start screen: who answers, the servers, one hint."""
    tools = len(app.toolbox.tools())
    parts = [servers_line(app.toolbox.servers()), f"{tools} tool{plural(tools)}"]
    if app.config.origin != "built-in":
        parts.append(f"from {one_line(app.config.source, 40)}")
    return [
        f"orchestrator {version} · {answering(app, model)}",
        *([SIMULATED] if app.simulated else []),
        *unpriced(app, model),
        " · ".join(parts),
        "Type a message. /help shows what else, Ctrl-C stops a turn.",
    ]


def answering(app: App, model: str = "") -> str:
    """Return which model answers, and where; `model` is the one that the user chose."""
    if app.simulated:
        return f"simulator as {one_line(model)}" if model else "simulator"
    kind = getattr(app.config.model, model) if model in KINDS else ""
    name = f"{one_line(kind)} ({model})" if kind else one_line(model or app.model)
    return f"{name} at {one_line(app.endpoint or 'api.anthropic.com')}"


def servers_line(servers: Sequence[ServerStatus]) -> str:
    """Return `servers 2/3 ready · github starting 4.1s`."""
    if not servers:
        return "no servers are configured"
    parts = [f"servers {sum(one.state == 'ready' for one in servers)}/{len(servers)} ready"]
    starting = [one for one in servers if one.state == "starting"]
    if len(starting) > NAMED:
        parts.append(f"{len(starting)} starting")
    for one in servers:
        if one.state == "starting" and len(starting) <= NAMED:
            parts.append(f"{one_line(one.name, 40)} starting {duration(one.seconds)}")
        elif one.state in ("failed", "stopped"):
            parts.append(f"{one_line(one.name, 40)} {one.state}")
    return " · ".join(parts)


def unpriced(app: App, model: str = "") -> list[str]:
    """Return the remark that a limit in dollars stops nothing, if it does not: the model has no price."""
    most = app.config.limits.max_cost
    kind = getattr(app.config.model, model) if model in KINDS else model
    name = kind or app.model
    if most is None or (rates(name, 0) and not app.simulated):
        return []
    who = "the simulator" if app.simulated else one_line(name)
    return [f"No price is known for {who}, so a limit of {money(most)} stops nothing."]


def problems(servers: Iterable[ServerStatus]) -> list[str]:
    """Return the reports of the servers that cannot be used: which, why, and what to do."""
    return [clean(one.problem).strip() for one in servers if one.state == "failed" and one.problem]


def unheard(servers: Iterable[ServerStatus]) -> list[str]:
    """Return a line for each server that is still starting and whose tools nobody knows: they were not offered."""
    return [
        f"{one_line(one.name, 40)} has been starting for {duration(one.seconds)}, so the model did not get its tools. "
        "--wait SECONDS waits longer; `orchestrator servers` shows what it is doing."
        for one in servers
        if one.state == "starting" and not one.tools
    ]
