"""Which block may stand where: roles, system messages, cache markers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from simulator import betas as beta
from simulator.blocks import Block, Inline, Text, ToolAddition, ToolRemoval, ToolResult
from simulator.definitions import OtherTool, ToolDefinition
from simulator.errors import Refused
from simulator.pairing import Turn
from simulator.parsing import NEW, Request
from simulator.request import Message, Prompt
from simulator.shapes import CacheControl

MOST_MARKERS = 4
ONLY_IN: Mapping[str, str] = MappingProxyType(
    {
        "tool_use": "assistant",
        "server_tool_use": "assistant",
        "mcp_tool_use": "assistant",
        "mcp_tool_result": "assistant",
        "mcp_tool_listing": "assistant",
        "tool_search_tool_result": "assistant",
        "thinking": "assistant",
        "redacted_thinking": "assistant",
        "compaction": "assistant",
        "tool_result": "user",
        "image": "user",
        "search_result": "user",
        "container_upload": "user",
        "tool_addition": "system",
        "tool_removal": "system",
    }
)
SERVER_RESULTS = ("tool_search_tool_result", "mcp_tool_result", "web_search_tool_result", "web_fetch_tool_result")


def check(request: Request[Prompt], turns: Sequence[Turn]) -> None:
    """Raise `Refused` for the first block, system message or marker that stands where it may not."""
    for number, message in enumerate(request.body.messages):
        _check_roles(request, number, message)
    _check_system_messages(request, turns)
    _check_markers(request.body)


def _check_roles(request: Request[Prompt], number: int, message: Message) -> None:
    for index, block in enumerate(message.content):
        role = ONLY_IN.get(block.type)
        if block.type == "document" and message.role == "assistant" and request.caller.version == NEW:
            raise Refused(f"messages.{number}.content.{index}: document blocks are not supported in assistant messages")
        if isinstance(block, Text) and block.citations and message.role == "user" and request.caller.version == NEW:
            raise Refused(f"messages.{number}.content.{index}.text.citations: citations must be empty in user messages")
        if role and message.role != role:
            raise Refused(f"messages.{number}: `{block.type}` blocks can only be in `{role}` messages")
        if message.role == "system" and not isinstance(block, Text | ToolAddition | ToolRemoval):
            raise Refused(f"messages.{number}: `{block.type}` blocks are not allowed in `system` messages")
        if block.type == "tool_reference":
            raise Refused(f"messages.{number}: `tool_reference` blocks can only be in `tool_result` blocks")


def _check_system_messages(request: Request[Prompt], turns: Sequence[Turn]) -> None:
    for number, message in enumerate(request.body.messages):
        if message.role != "system" and (message.clear_at or message.output_config):
            field = "clear_at" if message.clear_at else "output_config"
            raise Refused(f"messages.{number}.{field}: Extra inputs are not permitted")
        if message.role == "system":
            _check_system_message(request, number, message)
    for index, turn in enumerate(turns):
        if turn.role == "system":
            _check_neighbours(turn, turns[index - 1] if index else None, turns[index + 1 :])


def _check_system_message(request: Request[Prompt], number: int, message: Message) -> None:
    betas = request.caller.betas
    if not request.model.system_messages:
        raise Refused(f"messages.{number}.role: system messages are not supported for this model")
    if message.clear_at and beta.CLEAR_AT not in betas:
        raise Refused(f"messages.{number}.clear_at: Extra inputs are not permitted")
    if message.output_config and beta.MESSAGE_EFFORT not in betas:
        raise Refused(f"messages.{number}.output_config: Extra inputs are not permitted")
    scoped = message.clear_at == "next_user_message"
    for index, block in enumerate(message.content):
        place = f"messages.{number}.content.{index}"
        if scoped and not isinstance(block, Text):
            raise Refused(f"{place}: turn-scoped system messages may only contain text")
        if scoped and marker_of(block):
            raise Refused(f"{place}: cache_control is not supported in turn-scoped system messages")
        if isinstance(block, ToolAddition | ToolRemoval) and not betas & {beta.TOOL_CHANGES, beta.INLINE_TOOLS}:
            raise Refused(f"{place}: Input tag '{block.type}' found using 'type' needs the tool changes beta header")
        if isinstance(block, ToolAddition) and isinstance(block.tool, Inline) and beta.INLINE_TOOLS not in betas:
            raise Refused(f"{place}.tool_addition.tool: Input tag 'tool_definition' needs the inline tools beta header")


def _check_neighbours(turn: Turn, before: Turn | None, after: Sequence[Turn]) -> None:
    """Raise unless a system message follows the user, or the API's own results, and the assistant follows it."""
    ends_in_result = before and before.role == "assistant" and before.content[-1:] and _is_server_result(before)
    if not before or not (before.role == "user" or ends_in_result):
        raise Refused(
            f"messages.{turn.number}: a system message must directly follow a user message or an assistant message "
            "that ends with a server tool result"
        )
    if after and after[0].role != "assistant":
        raise Refused(
            f"messages.{turn.number}: a system message must be the last message or be followed by an assistant message"
        )


def _is_server_result(turn: Turn) -> bool:
    return turn.content[-1].type in SERVER_RESULTS


def marker_of(block: object) -> CacheControl | None:
    """Return the cache marker of a block or tool; some kinds cannot have one."""
    return getattr(block, "cache_control", None)


def markers(body: Prompt) -> Iterator[tuple[str, CacheControl]]:
    """Yield the explicit markers of a request in the order of the prompt, each with its place."""
    for index, tool in enumerate(body.tools):
        if found := marker_of(tool):
            yield f"tools.{index}", found
    for index, block in enumerate(body.system):
        if block.cache_control:
            yield f"system.{index}", block.cache_control
    for number, message in enumerate(body.messages):
        for index, block in enumerate(message.content):
            yield from _in_block(f"messages.{number}.content.{index}", block)


def _in_block(place: str, block: Block) -> Iterator[tuple[str, CacheControl]]:
    if isinstance(block, ToolResult):
        for index, part in enumerate(block.content):
            if part.cache_control:
                yield f"{place}.content.{index}", part.cache_control
    if found := marker_of(block):
        yield place, found


def last_cacheable(body: Prompt) -> Block | None:
    """Return the block on which the automatic marker falls."""
    blocks = [block for message in body.messages for block in message.content]
    return next((block for block in reversed(blocks) if is_cacheable(block)), None)


def is_cacheable(block: Block) -> bool:
    """Whether a marker may stand on a block."""
    return block.type not in ("thinking", "redacted_thinking", "mcp_tool_listing", "fallback")


def _check_markers(body: Prompt) -> None:
    found = list(markers(body))
    if len(found) > MOST_MARKERS:
        raise Refused(f"A maximum of {MOST_MARKERS} blocks with cache_control may be provided. Found {len(found)}.")
    for index, tool in enumerate(body.tools):
        if isinstance(tool, ToolDefinition | OtherTool) and tool.defer_loading and tool.cache_control:
            raise Refused(f"tools.{index}: Tools with defer_loading=true cannot have cache_control set.")
    shortest = "1h"
    for place, marker in found:
        if marker.ttl == "1h" and shortest == "5m":
            raise Refused(
                f"{place}.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' "
                "cache_control block. Note that blocks are processed in the following order: `tools`, `system`, "
                "`messages`."
            )
        shortest = marker.ttl
    if body.cache_control:
        _check_automatic(body, body.cache_control, len(found))


def _check_automatic(body: Prompt, automatic: CacheControl, explicit: int) -> None:
    last = last_cacheable(body)
    own = marker_of(last)
    if own and own.ttl != automatic.ttl:
        raise Refused("cache_control: the last cacheable block already has a cache_control with a different ttl")
    if explicit >= MOST_MARKERS and not own:
        raise Refused(f"A maximum of {MOST_MARKERS} blocks with cache_control may be provided. Found {explicit + 1}.")
