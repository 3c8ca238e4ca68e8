"""A server's list of tools in our words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mcp.types import Tool, ToolAnnotations

from orchestrator.tools.manifest import Listed
from orchestrator.tools.schemas import fit
from orchestrator.tools.texts import cleaned


def listed(tools: Sequence[Tool], before: Sequence[Listed]) -> tuple[Listed, ...]:
    """Return the tools as they can be offered; those that have not changed are the same as `before`, to the byte."""
    known = {tool.original: tool for tool in before}
    found: dict[str, Listed] = {}
    for tool in tools:
        if tool.name not in found:
            found[tool.name] = one(tool, known)
    return tuple(found.values())


def one(tool: Tool, known: Mapping[str, Listed]) -> Listed:
    """Return one tool. A schema whose keys only changed their order is taken as it was: prompt caches count bytes."""
    old = known.get(tool.name)
    same = old is not None and old.given == tool.input_schema
    given, fitted, problem = (old.given, old.offered, old.problem) if same and old else (tool.input_schema, None, "")
    if not same:
        result = fit(tool.input_schema)
        fitted, problem = result.schema, result.problem
    hints = tool.annotations or ToolAnnotations()
    read_only = bool(hints.read_only_hint)
    return Listed(
        original=tool.name,
        title=cleaned(tool.title or hints.title or ""),
        description=cleaned(tool.description or ""),
        given=given,
        offered=fitted,
        problem=problem,
        read_only=read_only,
        destructive=not read_only and hints.destructive_hint is not False,
        idempotent=bool(hints.idempotent_hint),
        open_world=hints.open_world_hint is not False,
    )
