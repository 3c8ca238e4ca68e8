"""Between our words and those of the Messages API (https://platform.claude.com/docs/en/api/messages). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, assert_never

from orchestrator.messages import (
    Answer,
    Block,
    Call,
    Image,
    Message,
    Opaque,
    Request,
    Result,
    Spent,
    Stop,
    Text,
    Tool,
    Usage,
)

if TYPE_CHECKING:
    from anthropic.types.beta import BetaMessage, BetaUsage
    from anthropic.types.beta.beta_iterations_usage import BetaIterationsUsageItem

Wire = dict[str, Any]
"""A JSON object as it goes over the wire."""

STOPS: dict[str | None, Stop] = {
    "end_turn": "done",
    "stop_sequence": "done",
    "tool_use": "calls",
    "max_tokens": "length",
    "pause_turn": "paused",
    "compaction": "paused",  # the context was made smaller, and the answer goes on
    "refusal": "refused",
    "model_context_window_exceeded": "window",
}
ANSWERING = ("message", "fallback_message")
"""The passes of a request that write the answer; others make the context smaller, or advise."""
BINDING = "thinking-binding-controls-2026-08-01"
EPHEMERAL = {"type": "ephemeral"}


def body(request: Request) -> Wire:
    """Return the arguments of `beta.messages.stream`.

    Two cache breakpoints: the system prompt (which covers the tools before it), and the moving end of the history,
    which the API sets by itself (docs/build-with-claude/prompt-caching).
    """
    fields: Wire = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": messages(request.messages),
        "cache_control": EPHEMERAL,
    }
    if request.system:
        fields["system"] = [{"type": "text", "text": request.system, "cache_control": EPHEMERAL}]
    if request.effort:
        fields["output_config"] = {"effort": request.effort}
    if request.thinking:
        fields["thinking"] = {"type": "adaptive", "display": request.thinking}
    if request.tools:
        fields["tools"] = [definition(tool) for tool in request.tools]
    return fields


def forgiving(fields: Wire) -> Wire:
    """Return the arguments so that thinking whose prefix changed is dropped by the API instead of refused."""
    thinking = {
        "type": "adaptive",
        **fields.get("thinking", {}),
        "block_binding": {"prefix_mismatch_behavior": "drop_block"},
    }
    return fields | {"thinking": thinking, "betas": [BINDING]}


def definition(tool: Tool) -> Wire:
    """Return a tool as the model is offered it."""
    return {
        "name": tool.name,
        "description": tool.description or tool.title or tool.name,
        "input_schema": tool.input_schema,
    }


def messages(history: Iterable[Message]) -> list[Wire]:
    """Return the history as it is sent: neighbours of one role are one message, nothing is empty."""
    sent: list[Wire] = []
    for message in history:
        content = [block(one) for one in message.content if not (isinstance(one, Text) and not one.text.strip())]
        if sent and sent[-1]["role"] == message.role:
            sent[-1]["content"].extend(content)
        elif content:
            sent.append({"role": message.role, "content": content})
    return sent


def block(one: Block) -> Wire:
    """Return one block as it is sent."""
    match one:
        case Text():
            return {"type": "text", "text": one.text, **one.extra}
        case Image():
            source = {"type": "base64", "media_type": one.media_type, "data": one.data}
            return {"type": "image", "source": source}
        case Call():
            return {"type": "tool_use", "id": one.id, "name": one.tool, "input": one.arguments, **one.extra}
        case Result():
            said = [part for part in one.content if not (isinstance(part, Text) and not part.text.strip())]
            content = [block(part) for part in said] or [{"type": "text", "text": "(no output)"}]
            error = {"is_error": True} if one.is_error else {}
            return {"type": "tool_result", "tool_use_id": one.call_id, "content": content, **error}
        case Opaque():
            return dict(one.wire)
        case _:
            assert_never(one)


def read_block(wire: Wire) -> Block:
    """Return a block that the model sent; what we have no word for is kept to the letter.

    Raises `ValueError` for a call that cannot be answered: kept, it would make every later request one that is refused.
    """
    match wire:
        case {"type": "text", "text": str(text), **extra}:
            return Text(text=text, extra=extra)
        case {"type": "tool_use", "id": str(call_id), "name": str(name), "input": dict(), **extra}:
            return Call(id=call_id, tool=name, arguments=wire["input"], extra=extra)
        case {"type": "tool_use"}:
            raise ValueError("a call without id, name or arguments")
        case _:
            return Opaque(wire=wire)


def answer(message: BetaMessage, request_id: str) -> Answer:
    """Return what the model said."""
    blocks = tuple(read_block(one.to_dict()) for one in message.content)
    spent = usages(message)
    return Answer(
        message=Message(role="assistant", content=blocks),
        stop=STOPS.get(message.stop_reason, "unknown"),
        usage=spent[-1].usage,
        model=str(message.model),
        beside=spent[:-1],
        message_id=message.id,
        request_id=request_id,
    )


def usages(message: BetaMessage) -> tuple[Spent, ...]:
    """Return what a request used, pass by pass, the one that brought the answer last.

    The sums at the top leave out what making the context smaller used (docs/build-with-claude/compaction). Of one pass
    that answered, they say all, and in more detail.
    """
    model, searches = str(message.model), message.usage.server_tool_use
    counted = (searches.web_search_requests or 0) if searches else 0
    whole = usage(message.usage).model_copy(update={"web_searches": counted})
    passes = message.usage.iterations or []
    answering = [one for one in passes if one.type in ANSWERING]
    others = [one for one in passes if one.type not in ANSWERING]
    if len(answering) > 1:
        whole = usage(answering[-1]).model_copy(update={"web_searches": whole.web_searches})
        others += answering[:-1]
    beside = [Spent(model=getattr(one, "model", None) or model, usage=usage(one)) for one in others]
    return (*beside, Spent(model=model, usage=whole))


def usage(wire: BetaUsage | BetaIterationsUsageItem) -> Usage:
    """Return the tokens of one request, or of one pass."""
    written = wire.cache_creation_input_tokens or 0
    hour = (wire.cache_creation.ephemeral_1h_input_tokens or 0) if wire.cache_creation else 0
    return Usage(
        input_tokens=wire.input_tokens or 0,
        output_tokens=wire.output_tokens or 0,
        cache_read_tokens=wire.cache_read_input_tokens or 0,
        cache_write_5m_tokens=max(0, written - hour),
        cache_write_1h_tokens=hour,
    )
