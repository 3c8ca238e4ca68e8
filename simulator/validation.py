"""Whether the API would take a request: every rule that its shape alone does not say."""

from __future__ import annotations

from simulator import pairing, toolcheck
from simulator.blocks import Compaction, Text, ToolResult
from simulator.errors import Refused
from simulator.parsing import Request
from simulator.request import Body, Prompt

HARMLESS_EMPTY = (Compaction, ToolResult)


def check(request: Request[Prompt]) -> None:
    """Raise `Refused` with the API's words for the first rule that the request breaks."""
    _check_content(request.body)
    toolcheck.check(request.body.tools)
    _check_limits(request)
    turns = pairing.merged(request.body.messages)
    _check_ends(request, turns)
    pairing.check(turns)


def _check_content(body: Prompt) -> None:
    last = len(body.messages) - 1
    for index, block in enumerate(body.system):
        if not block.text:
            raise Refused(f"system.{index}: text content blocks must be non-empty")
    for number, message in enumerate(body.messages):
        if not message.content and not (number == last and message.role == "assistant"):
            raise Refused(
                f"messages.{number}: all messages must have non-empty content except for the optional final assistant "
                "message"
            )
        for block in message.content:
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
    if last.role == "assistant" and not request.model.prefill and not opens_with_summary:
        raise Refused(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
