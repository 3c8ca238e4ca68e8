"""From a checked request to a finished reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulator import brain, prefix, reply, signatures, situation, tokens
from simulator.answer import Answer, Think
from simulator.definitions import ToolDefinition
from simulator.parsing import Request
from simulator.reply import Frame, Reply, new_id
from simulator.request import Body
from simulator.shapes import Json
from simulator.situation import Tool
from simulator.usage import Input


def count(request: Request[Any]) -> int:
    """Return the input tokens of a request."""
    model = request.model
    total = 3
    custom = 0
    for position in prefix.walk(request.sent):
        if position.section == prefix.TOOLS:
            total += tokens.of_tool(position.block, model)
            custom += 1
        else:
            total += tokens.of_block(position.block, model)
    total += tokens.PER_MESSAGE * len(request.body.messages)
    return total + (tokens.TOOLS_PREAMBLE if custom else 0)


def tools_of(request: Request[Any]) -> tuple[Tool, ...]:
    """Return the tools that the model may call."""
    return tuple(
        Tool(tool.name, tool.description or "", tool.input_schema)
        for tool in request.body.tools
        if isinstance(tool, ToolDefinition) and not tool.defer_loading
    )


def thinks(request: Request[Body]) -> bool:
    """Whether the model thinks before it answers."""
    config = request.body.thinking
    if config is None:
        return request.model.thinking != "off"
    return config.type in ("adaptive", "enabled")


def shows_thinking(request: Request[Body]) -> bool:
    """Whether thinking comes with its text."""
    config = request.body.thinking
    if config is None:
        return False
    if config.display is None:
        return config.type == "enabled"
    return config.display != "omitted"


def reply_to(request: Request[Body]) -> Reply:
    """Return the reply of the brain to a request."""
    body = request.body
    if body.max_tokens == 0:
        answer = Answer((), stop="max_tokens")
    else:
        choice = body.tool_choice
        answer = brain.think(
            situation.read(body.messages, tools_of(request)),
            parallel=not (choice and choice.disable_parallel_tool_use),
            may_call=not (choice and choice.type == "none"),
        )
    if not thinks(request):
        answer = Answer(tuple(one for one in answer.pieces if not isinstance(one, Think)), answer.stop)
    written = reply.write(answer, frame(request))
    given = Input(count(request))
    usage = given.counts() | {
        "output_tokens": written.tokens,
        "output_tokens_details": {"thinking_tokens": written.thinking_tokens},
        "server_tool_use": None,
        "service_tier": "standard",
        "inference_geo": "global",
    }
    return Reply(new_id("msg"), request.model.id, written.blocks, written.stop_reason, usage, written.stop_sequence)


def frame(request: Request[Body]) -> Frame:
    """Return how the answer to a request is put into blocks."""
    before = prefix.end(request.sent)

    def sign(text: str, size: int, blocks: Sequence[Json]) -> str:
        state = before
        for block in blocks:
            state = prefix.extend(state, "assistant", block)
        return signatures.of_thinking(text, size, request.model.id, state)

    body = request.body
    return Frame(request.model, body.max_tokens, body.stop_sequences, shows_thinking(request), sign)
