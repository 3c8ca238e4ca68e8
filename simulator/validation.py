"""Whether the API would take a request: every rule that its shape alone does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simulator import combination, pairing, placement, summarycheck, thinkcheck, toolchanges, toolcheck
from simulator.blocks import Block, Compaction, Document, Image, Text, ToolResult
from simulator.errors import Refused
from simulator.parsing import Request
from simulator.request import Body, Prompt
from simulator.thinkcheck import Dropped

NOTHING_KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType({})


@dataclass(frozen=True)
class Verdict:
    """What a request that is taken still loses."""

    dropped: tuple[Dropped, ...] = ()


def check(request: Request[Any], known: Mapping[str, tuple[str, ...]] = NOTHING_KNOWN) -> Verdict:
    """Return what is dropped. Raises `Refused` with the API's words for the first rule that the request breaks.

    `known` tells the signatures of the thinking that came with a tool use, by its id.
    """
    body: Prompt = request.body
    most = body.max_tokens if isinstance(body, Body) else None
    _check_content(body)
    toolcheck.check(body.tools)
    _check_limits(request)
    thinkcheck.check_config(body.thinking, body.output_config, request.model, most, request.caller.betas)
    combination.check(request)
    if isinstance(body, Body):
        thinkcheck.check_fallbacks(request)
    turns = pairing.merged(body.messages)
    placement.check(request, turns)
    summarycheck.check(request, turns)
    _check_ends(request, turns)
    pairing.check(turns)
    toolchanges.check(request)
    return Verdict(thinkcheck.check_blocks(request, known))


def _check_content(body: Prompt) -> None:
    last = len(body.messages) - 1
    for block in body.system:
        if not block.text:
            raise Refused("system: text content blocks must be non-empty")
    for number, message in enumerate(body.messages):
        if not message.content and not (number == last and message.role == "assistant"):
            raise Refused(
                f"messages.{number}: all messages must have non-empty content except for the optional final assistant "
                "message"
            )
        for block in message.content:
            _check_block(number, block)


def _check_block(number: int, block: Block) -> None:
    if isinstance(block, Text):
        _check_text(block)
    elif isinstance(block, ToolResult):
        if block.is_error and not block.content:
            raise Refused(f"messages.{number}: content cannot be empty if `is_error` is true")
        for part in block.content:
            if isinstance(part, Text):
                _check_text(part)


def _check_text(block: Text) -> None:
    if not block.text:
        raise Refused("messages: text content blocks must be non-empty")
    if not block.text.strip():
        raise Refused("messages: text content blocks must contain non-whitespace text")


def _check_limits(request: Request[Prompt]) -> None:
    body, model = request.body, request.model
    if isinstance(body, Body) and body.max_tokens > model.output:
        raise Refused(
            f"max_tokens: {body.max_tokens} > {model.output}, which is the maximum allowed number of output tokens for "
            f"{model.id}"
        )


def _check_ends(request: Request[Prompt], turns: list[pairing.Turn]) -> None:
    if not turns:
        raise Refused("messages: at least one message is required")
    first, last = turns[0], turns[-1]
    opens_with_summary = bool(first.content) and isinstance(first.content[0], Compaction)
    if first.role != "user" and not opens_with_summary:
        raise Refused('messages: first message must use the "user" role')
    if last.role != "assistant" or request.model.prefill or request.body.compaction is not None:
        return
    if _continues(last):
        return
    raise Refused(
        "This model does not support assistant message prefill. The conversation must end with a user message."
    )


def _continues(last: pairing.Turn) -> bool:
    """Whether the API itself paused here: after a summary, or with its own tools still to run."""
    return bool(last.content) and (
        isinstance(last.content[-1], Compaction)
        or last.content[-1].type in (*placement.SERVER_RESULTS, "server_tool_use")
    )


def check_countable(request: Request[Prompt]) -> None:
    """Raise `Refused` for what `count_tokens` does not take. Source: the API's page on token counting."""
    if request.body.mcp_servers:
        raise Refused("mcp_servers: the MCP connector is not supported by token counting")
    for index, tool in enumerate(request.body.tools):
        if toolcheck.is_server_tool(tool):
            raise Refused(f"tools.{index}: server tools are not supported by token counting")
    for number, message in enumerate(request.body.messages):
        for index, block in enumerate(message.content):
            if isinstance(block, Image | Document) and block.source.type in ("url", "file"):
                place = f"messages.{number}.content.{index}"
                raise Refused(f"{place}: url and file sources are not supported by token counting")
