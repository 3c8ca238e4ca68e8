"""How many tokens each position of a prompt takes, the frame around it included. The sum is the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from simulator import prefix, tokens
from simulator.catalog import ModelCard
from simulator.prefix import NO_SALT, Position
from simulator.shapes import Json

PROMPT_FRAME = 3


@dataclass(frozen=True)
class Sized:
    """A position and its tokens."""

    position: Position
    tokens: int
    total: int
    """Of everything up to and including it."""


def measure(sent: Json, model: ModelCard, salt: Mapping[str, str] = NO_SALT) -> list[Sized]:
    """Return the positions of a request, each with its tokens. What stands before a compaction block does not count."""
    definitions = {str(tool.get("name")): tool for tool in cast(list[Json], sent.get("tools") or [])}
    sized: list[Sized] = []
    loaded: set[str] = set()
    base = total = 0
    section = message = ""
    for position in prefix.walk(sent, salt):
        cost = PROMPT_FRAME if not sized else 0
        if position.section == prefix.TOOLS:
            cost += tokens.of_tool(position.block, model) + (tokens.TOOLS_PREAMBLE if section == "" else 0)
        else:
            cost += tokens.of_block(position.block, model) + _of_loaded(position.block, definitions, loaded, model)
        place = position.place.split(".content")[0]
        if position.section == prefix.MESSAGES and place != message:
            cost += tokens.PER_MESSAGE
            message = place
        if position.section == prefix.MESSAGES and section != prefix.MESSAGES:
            base = total
        if position.block.get("type") == "compaction":
            total = base
        section = position.section
        total += cost
        sized.append(Sized(position, cost, total))
    return sized


def total(sent: Json, model: ModelCard) -> int:
    """Return the tokens of a whole request."""
    sized = measure(sent, model)
    return sized[-1].total if sized else 0


def _of_loaded(block: Json, definitions: Mapping[str, Json], loaded: set[str], model: ModelCard) -> int:
    """Return the tokens of the deferred tools that a block brings into the prompt, each counted once."""
    cost = 0
    for name in named(block):
        tool = definitions.get(name)
        if tool and tool.get("defer_loading") and name not in loaded:
            loaded.add(name)
            cost += tokens.of_tool(tool, model)
    return cost


def named(block: Json) -> list[str]:
    """Return the names of the tools that a block refers to."""
    kind, content = block.get("type"), cast(Any, block.get("content"))
    found: list[Json] = []
    if kind == "tool_search_tool_result":
        found = content.get("tool_references") or []
    elif kind == "tool_result" and isinstance(content, list):
        found = [part for part in cast(list[Json], content) if part.get("type") == "tool_reference"]
    elif kind == "tool_addition" and block["tool"].get("type") == "tool_reference":
        return [str(block["tool"]["name"])]
    return [str(one["tool_name"]) for one in found]
