"""What the simulated model has before it: the user's last words, the tools, what was called since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from simulator.blocks import Block, McpToolResult, McpToolUse, Text, ToolResult, ToolUse
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


@dataclass(frozen=True)
class Situation:
    """All that an answer depends on."""

    text: str
    tools: tuple[Tool, ...]
    done: tuple[Done, ...]
    introduced: bool
    """Whether the conversation already says that a simulator is talking."""
    turn: int
    """How many texts of the user there have been."""


def read(messages: Sequence[Message], tools: Sequence[Tool]) -> Situation:
    """Return the situation at the end of `messages`."""
    last, turn = -1, 0
    for number, message in enumerate(messages):
        if message.role == "user" and any(isinstance(block, Text) for block in message.content):
            last, turn = number, turn + 1
    text = "\n".join(block.text for block in messages[last].content if isinstance(block, Text)) if last >= 0 else ""
    introduced = any(
        isinstance(block, Text) and "simulator" in block.text.lower()
        for message in messages
        if message.role == "assistant"
        for block in message.content
    )
    return Situation(text, tuple(tools), done_after(messages[last + 1 :]), introduced, turn)


def done_after(messages: Sequence[Message]) -> tuple[Done, ...]:
    """Return the calls in `messages` with their results, in the order of the calls."""
    blocks = [block for message in messages for block in message.content]
    results = {block.tool_use_id: block for block in blocks if isinstance(block, ToolResult | McpToolResult)}
    return tuple(
        Done(block.name, block.input, result_text(results[block.id].content), results[block.id].is_error)
        for block in blocks
        if isinstance(block, ToolUse | McpToolUse) and block.id in results
    )


def result_text(content: Sequence[Block]) -> str:
    """Return the text of a result; a picture or a document is named by its kind."""
    return "\n".join(block.text if isinstance(block, Text) else f"[{block.type}]" for block in content)
