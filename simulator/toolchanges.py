"""Which tools the model has at the end of a conversation: loaded, found, added and removed on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from simulator.blocks import (
    Block,
    ByName,
    ByServer,
    ByToolset,
    Compaction,
    Inline,
    ToolAddition,
    ToolReference,
    ToolRemoval,
    ToolResult,
    ToolSearchResult,
    ToolsFound,
)
from simulator.definitions import Definition, McpToolset, OtherTool, ToolDefinition, ToolSearch
from simulator.errors import Refused
from simulator.parsing import Request
from simulator.request import Message
from simulator.toolcheck import MOST_DEFERRED, name_of


def check(request: Request[Any]) -> None:
    """Raise `Refused` for a reference to no tool, a name that is taken, too many additions."""
    names = {name for tool in request.body.tools if (name := name_of(tool))}
    servers = {server.name for server in request.body.mcp_servers}
    added = 0
    for place, block in _in_order(request.body.messages):
        if isinstance(block, ToolReference) and block.tool_name not in names:
            raise Refused(f"Tool reference '{block.tool_name}' not found in available tools")
        if not isinstance(block, ToolAddition | ToolRemoval):
            continue
        _check_change(place, block, names, servers)
        added += isinstance(block, ToolAddition)
        if isinstance(block, ToolAddition) and isinstance(block.tool, Inline):
            name = name_of(block.tool.definition)
            names |= {name} if name else set()
    if added > MOST_DEFERRED:
        raise Refused("messages: too many tools were added", code="available_tools_limit_exceeded")


def _check_change(place: str, block: ToolAddition | ToolRemoval, names: set[str], servers: set[str]) -> None:
    tool = block.tool
    if isinstance(tool, ByName) and tool.name not in names:
        raise Refused(f"{place}: Tool reference '{tool.name}' not found", code="tool_reference_unresolved")
    if isinstance(tool, ByServer | ByToolset) and tool.server_name not in servers:
        raise Refused(f"{place}: MCP server '{tool.server_name}' not found", code="tool_reference_unresolved")
    if isinstance(tool, Inline):
        definition = tool.definition
        if isinstance(definition, ToolDefinition) and definition.defer_loading and block.cache_control:
            raise Refused(f"{place}: cache_control is not supported on a deferred inline definition")
        if name_of(definition) in names:
            raise Refused(f"{place}: Tool name '{name_of(definition)}' is taken", code="tool_name_conflict")


def _in_order(messages: Sequence[Message]) -> Iterator[tuple[str, Block]]:
    """Yield every block that can name a tool, with its place."""
    for number, message in enumerate(messages):
        for index, block in enumerate(message.content):
            place = f"messages.{number}.content.{index}"
            if isinstance(block, ToolResult):
                yield from ((place, part) for part in block.content if isinstance(part, ToolReference))
            elif isinstance(block, ToolSearchResult) and isinstance(block.content, ToolsFound):
                yield from ((place, one) for one in block.content.tool_references)
            elif isinstance(block, Compaction):
                yield from ((place, change) for change in block.tool_changes or ())
            elif isinstance(block, ToolAddition | ToolRemoval):
                yield place, block


def available(tools: Sequence[Definition], messages: Sequence[Message]) -> tuple[list[Definition], set[str]]:
    """Return the definitions that the model can call now, and the names of MCP tools that were taken from it.

    Deferred ones are there once a reference named them. Names of MCP tools are written `server/name`.
    """
    known = {name: tool for tool in tools if (name := name_of(tool))}
    there = {name: tool for name, tool in known.items() if _at_once(tool)}
    extra: list[Definition] = [tool for tool in tools if isinstance(tool, McpToolset)]
    gone: set[str] = set()
    for _, block in _in_order(messages):
        if isinstance(block, ToolReference):
            there |= {block.tool_name: known[block.tool_name]}
        elif isinstance(block, ToolAddition):
            _add(block, known, there, extra, gone)
        elif isinstance(block, ToolRemoval):
            _remove(block, there, gone)
    return [*there.values(), *extra], gone


def _add(
    block: ToolAddition,
    known: dict[str, Definition],
    there: dict[str, Definition],
    extra: list[Definition],
    gone: set[str],
) -> None:
    tool = block.tool
    if isinstance(tool, Inline):
        name = name_of(tool.definition)
        if name:
            known[name] = there[name] = tool.definition
        else:
            extra.append(tool.definition)
    elif isinstance(tool, ByName):
        there[tool.name] = known[tool.name]
    else:
        gone.discard(_path(tool))


def _remove(block: ToolRemoval, there: dict[str, Definition], gone: set[str]) -> None:
    if isinstance(block.tool, ByName):
        there.pop(block.tool.name, None)
    else:
        gone.add(_path(block.tool))


def _path(tool: ByServer | ByToolset) -> str:
    return f"{tool.server_name}/{tool.name}" if isinstance(tool, ByServer) else f"{tool.server_name}/"


def _at_once(tool: Definition) -> bool:
    return isinstance(tool, ToolSearch) or (isinstance(tool, ToolDefinition | OtherTool) and not tool.defer_loading)


def changes(messages: Sequence[Message]) -> list[ToolAddition | ToolRemoval]:
    """Return the additions and removals that still hold at the end, in their order: the last one for each tool."""
    last: dict[str, ToolAddition | ToolRemoval] = {}
    for _, block in _in_order(messages):
        if isinstance(block, ToolAddition | ToolRemoval):
            tool = block.tool
            key = (
                (name_of(tool.definition) or "")
                if isinstance(tool, Inline)
                else getattr(tool, "name", None) or _key(tool)
            )
            last.pop(key, None)
            last[key] = block
    return list(last.values())


def _key(tool: Any) -> str:
    return f"{tool.server_name}/"
