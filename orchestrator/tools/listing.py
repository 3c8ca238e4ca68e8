"""A server's list of tools in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcp.types import Tool, ToolAnnotations
from pydantic import JsonValue

from orchestrator.tools.manifest import Listed
from orchestrator.tools.mending import Mender
from orchestrator.tools.schemas import Fitted, fit
from orchestrator.tools.texts import cleaned

HEADERS = "it asks for HTTP headers (x-mcp-header) in a way that the protocol forbids, and it must not be used"
MOST_TOOLS = 1_000
LONGEST_DESCRIPTION = 8_000
TWICE = "the server lists this name twice; only the first is offered"


def listed(tools: Sequence[Tool], before: Sequence[Listed], mender: Mender) -> tuple[Listed, ...]:
    """Return the tools as they can be offered; those that have not changed are the same as `before`, to the byte.

    What the server listed and nobody can use is there too, with the reason.
    """
    known = {tool.original: tool for tool in before}
    found: dict[str, Listed] = {}
    lost = dict(mender.lost)
    for tool in tools:
        if tool.name in found:
            lost[f"{tool.name} (again)"] = TWICE
        elif len(found) < MOST_TOOLS:
            given = mender.given.get(tool.name, tool.input_schema)
            found[tool.name] = one(tool, given, known)
    listed_names = {tool.name for tool in tools}
    lost |= {name: HEADERS for name in mender.names if name not in listed_names and name not in lost}
    if (more := len(listed_names) - len(found)) > 0:
        lost[f"({more:,} more)"] = f"a server can offer {MOST_TOOLS:,} tools at most"
    unusable = [Listed(original=cleaned(name), given=None, offered=None, problem=why) for name, why in lost.items()]
    return (*found.values(), *unusable)


def one(tool: Tool, schema: JsonValue, known: Mapping[str, Listed]) -> Listed:
    """Return one tool. A schema whose keys only changed their order is taken as it was: prompt caches count bytes."""
    old = known.get(tool.name)
    if old is not None and old.given == schema:
        given, fitted = old.given, Fitted(old.offered, old.problem)
    else:
        given, fitted = schema, fit(schema)
    hints = tool.annotations or ToolAnnotations()
    read_only = bool(hints.read_only_hint)
    return Listed(
        original=tool.name,
        title=cleaned(tool.title or hints.title or ""),
        description=bounded(cleaned(tool.description or "")),
        given=given,
        offered=fitted.schema,
        problem=fitted.problem,
        read_only=read_only,
        destructive=not read_only and hints.destructive_hint is not False,
        idempotent=bool(hints.idempotent_hint),
        open_world=hints.open_world_hint is not False,
    )


def bounded(description: str) -> str:
    """Return a description that does not fill the window: every request carries it."""
    more = len(description) - LONGEST_DESCRIPTION
    return f"{description[:LONGEST_DESCRIPTION]}\n[{more:,} more characters were left out]" if more > 0 else description
