"""What the simulated model has before it: the user's last words, the tools, what was called since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from simulator import summary
from simulator.blocks import Compaction, McpToolResult, McpToolUse, Text, ToolResult, ToolUse
from simulator.request import Message
from simulator.shapes import Json


@dataclass(frozen=True)
class Tool:
    """A tool the model may call now."""

    name: str
    description: str
    schema: Json
    server: str | None = None
    """The connector's server that has it; None for a tool of the client."""

    @property
    def parameters(self) -> dict[str, Json]:
        """Its parameters by name."""
        known: dict[str, Any] = self.schema.get("properties") or {}
        return {key: cast(Json, value) for key, value in known.items() if isinstance(value, dict)}

    @property
    def required(self) -> tuple[str, ...]:
        """Those that it cannot do without."""
        return tuple(self.schema.get("required") or ())


@dataclass(frozen=True)
class Done:
    """A call of this turn, and what it brought."""

    name: str
    input: Json
    text: str
    is_error: bool = False
    step: int = 0
    """In which step of the turn it was made."""


@dataclass(frozen=True)
class Situation:
    """All that an answer depends on."""

    text: str
    tools: tuple[Tool, ...]
    done: tuple[Done, ...]
    introduced: bool
    """Whether the conversation already says that a simulator is talking."""
    turn: int = 1
    """How many texts of the user there have been."""
    search: str | None = None
    """The tool with which the model can search for more tools, if there are some and it has not searched yet."""
    is_fallback: bool = False
    """Whether this model serves because another one refused."""


def read(messages: Sequence[Message], tools: Sequence[Tool]) -> Situation:
    """Return the situation at the end of `messages`. What a summary stands for is read from the summary."""
    introduced = any(
        isinstance(block, Text) and "simulator" in block.text.lower()
        for message in messages
        if message.role == "assistant"
        for block in message.content
    )
    carried, messages = _since_summary(messages)
    requests = [number for number, message in enumerate(messages) if summary.is_request(message)]
    if requests:
        text = summary.text_of(messages[requests[-1]])
        done = done_after(messages[requests[-1] + 1 :])
    else:
        text = summary.recovered_request(carried)
        done = (*recovered_calls(carried), *done_after(messages, 1))
    return Situation(text, tuple(tools), done, introduced or bool(carried), len(requests) + bool(carried))


def _since_summary(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """Return the last summary, or an empty text, and the messages from its own on."""
    for number in range(len(messages) - 1, -1, -1):
        found = [block.content for block in messages[number].content if isinstance(block, Compaction) and block.content]
        if found:
            return found[-1], messages[number:]
    return "", messages


def recovered_calls(carried: str) -> tuple[Done, ...]:
    """Return the calls that a summary says were made for the last request."""
    return tuple(Done(*one) for one in summary.recovered_calls(carried))


def done_after(messages: Sequence[Message], first_step: int = 0) -> tuple[Done, ...]:
    """Return the calls in `messages` with their results, in the order of the calls."""
    blocks = [block for message in messages for block in message.content]
    results = {block.tool_use_id: block for block in blocks if isinstance(block, ToolResult | McpToolResult)}
    found: list[Done] = []
    for step, message in enumerate(messages, first_step):
        for use in message.content:
            if isinstance(use, ToolUse | McpToolUse) and use.id in results:
                result = results[use.id]
                found.append(Done(use.name, use.input, summary.result_text(result.content), result.is_error, step))
    return tuple(found)
