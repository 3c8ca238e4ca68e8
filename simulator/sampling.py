"""One answer of the model, with the tools that the API runs itself: search, and those of MCP servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulator import situation as situations
from simulator import toolchanges, toolsearch
from simulator.answer import Answer, Call, Piece, Search, Think, Whole
from simulator.blocks import McpToolListing
from simulator.connector import Connections, Listing
from simulator.definitions import McpToolset, ToolDefinition, ToolSearch
from simulator.mind import Mind
from simulator.parsing import Request
from simulator.reply import new_id
from simulator.request import Message
from simulator.situation import Done, Situation, Tool

ROUNDS = 10


@dataclass(frozen=True)
class Toolbox:
    """The tools of a request: at hand, and to be found."""

    loaded: tuple[Tool, ...]
    deferred: tuple[Tool, ...]
    search: str | None
    """The search tool's name."""


async def listings(request: Request[Any], connections: Connections) -> list[Listing]:
    """Return the tools of every MCP server that the request names."""
    echoed: dict[str, McpToolListing] = {
        block.mcp_server_name: block
        for message in request.body.messages
        for block in message.content
        if isinstance(block, McpToolListing)
    }
    toolsets = {tool.mcp_server_name: tool for tool in request.body.tools if isinstance(tool, McpToolset)}
    found: list[Listing] = []
    for server in request.body.mcp_servers:
        listing = echoed.get(server.name)
        tools = listing.tools if listing else None
        found.append(await connections.listing(server.name, toolsets.get(server.name), tools))
    return found


def toolbox(request: Request[Any], messages: Sequence[Message], found: Sequence[Listing]) -> Toolbox:
    """Return what the model can call, after all additions, removals and searches so far."""
    at_hand, gone = toolchanges.available(request.body.tools, messages)
    loaded = [_tool(one) for one in at_hand if isinstance(one, ToolDefinition)]
    names = {tool.name for tool in loaded}
    removed = {
        block.tool.name
        for block in toolchanges.changes(messages)
        if block.type == "tool_removal" and block.tool.type == "tool_reference"
    }
    deferred = [
        _tool(one)
        for one in request.body.tools
        if isinstance(one, ToolDefinition) and one.defer_loading and one.name not in names | removed
    ]
    for listing in found:
        for tool, is_deferred in listing.enabled():
            if f"{tool.server}/" in gone or f"{tool.server}/{tool.name}" in gone:
                continue
            (deferred if is_deferred else loaded).append(tool)
    search = next((one.name for one in at_hand if isinstance(one, ToolSearch)), None)
    return Toolbox(tuple(loaded), tuple(deferred), search)


def _tool(one: ToolDefinition) -> Tool:
    return Tool(one.name, one.description or "", one.input_schema)


def situation(messages: Sequence[Message], tools: Toolbox, is_fallback: bool = False) -> Situation:
    """Return what the model has before it."""
    read = situations.read(messages, tools.loaded)
    return replace(read, search=tools.search if tools.deferred else None, is_fallback=is_fallback)


async def sample(
    start: Situation, mind: Mind, tools: Toolbox, connections: Connections, request: Request[Any]
) -> Answer:
    """Return the model's answer, its own searches and calls on MCP servers done on the way."""
    choice = request.body.tool_choice
    parallel = not (choice and choice.disable_parallel_tool_use)
    may_call = not (choice and choice.type == "none")
    now, pieces = start, list[Piece]()
    for _ in range(ROUNDS):
        answer = mind.answer(now, parallel=parallel, may_call=may_call)
        done: list[Done] = []
        for piece in answer.pieces:
            if isinstance(piece, Search):
                found = _searched(piece, tools)
                pieces += _search_blocks(piece, tools, found)
                now = replace(now, tools=(*now.tools, *found.tools), search=None)
            elif isinstance(piece, Call) and (server := _server_of(piece.name, now.tools)):
                text, failed = await connections.call(server, piece.name, piece.input)
                pieces += _mcp_blocks(piece, server, text, failed)
                step = now.done[-1].step + 1 if now.done else 0
                done.append(Done(piece.name, piece.input, text, failed, step))
            else:
                pieces.append(piece)
        searched = any(isinstance(piece, Search) for piece in answer.pieces)
        waits = any(isinstance(piece, Call) and not _server_of(piece.name, now.tools) for piece in answer.pieces)
        if waits or not (done or searched):
            return replace(answer, pieces=tuple(pieces))
        now = replace(now, done=(*now.done, *done), introduced=True)
    return Answer(tuple(piece for piece in pieces if not isinstance(piece, Think)), "pause_turn")


def _server_of(name: str, tools: Sequence[Tool]) -> str | None:
    return next((tool.server for tool in tools if tool.name == name and tool.server), None)


def _searched(search: Search, tools: Toolbox) -> toolsearch.Found:
    return toolsearch.find(tools.search or "", search.query, tools.deferred)


def _search_blocks(search: Search, tools: Toolbox, found: toolsearch.Found) -> list[Piece]:
    use = new_id("srvtoolu")
    key = "pattern" if tools.search == "tool_search_tool_regex" else "query"
    called = {
        "type": "server_tool_use",
        "id": use,
        "name": tools.search,
        "input": {key: search.query},
        "caller": {"type": "direct"},
    }
    result = {"type": "tool_search_tool_result", "tool_use_id": use, "content": found.content()}
    return [Whole(called), Whole(result)]


def _mcp_blocks(call: Call, server: str, text: str, failed: bool) -> list[Piece]:
    use = new_id("mcptoolu")
    called = {"type": "mcp_tool_use", "id": use, "name": call.name, "server_name": server, "input": call.input}
    content = [{"type": "text", "text": text, "citations": None}]
    result = {"type": "mcp_tool_result", "tool_use_id": use, "is_error": failed, "content": content}
    return [Whole(called), Whole(result)]
