"""Every call has its result: in the next message, first in it, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator.blocks import Block, ToolResult, ToolUse
from simulator.errors import Refused
from simulator.request import Message


@dataclass(frozen=True)
class Turn:
    """Neighbouring messages of one role, which the API reads as one."""

    role: str
    number: int
    """Of the first message, as the client counts."""
    content: tuple[Block, ...]


def merged(messages: Sequence[Message]) -> list[Turn]:
    """Return the messages with neighbours of one role put together; system messages stay alone."""
    turns: list[Turn] = []
    for number, message in enumerate(messages):
        last = turns[-1] if turns else None
        if last and last.role == message.role != "system":
            turns[-1] = Turn(last.role, last.number, (*last.content, *message.content))
        else:
            turns.append(Turn(message.role, number, tuple(message.content)))
    return turns


def check(turns: Sequence[Turn]) -> None:
    """Raise `Refused` for a call without its result, a result without its call, an id used twice."""
    seen: set[str] = set()
    asked: list[str] = []
    for index, turn in enumerate(turns):
        uses = [block.id for block in turn.content if isinstance(block, ToolUse)]
        for use in uses:
            if use in seen:
                raise Refused(f"messages.{turn.number}: `tool_use` ids must be unique")
            seen.add(use)
        if turn.role == "user":
            _check_results(turn, asked)
        if turn.role == "assistant" and uses:
            _check_answered(turn, uses, turns[index + 1] if index + 1 < len(turns) else None)
        asked = uses if turn.role == "assistant" else []


def _check_answered(turn: Turn, uses: Sequence[str], after: Turn | None) -> None:
    """Raise unless the next message is the user's and begins with a result for each of `uses`."""
    found: set[str] = set()
    if after and after.role == "user":
        for block in after.content:
            if not isinstance(block, ToolResult):
                break
            found.add(block.tool_use_id)
    missing = [use for use in uses if use not in found]
    if missing:
        raise Refused(
            f"messages.{turn.number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
            "message."
        )


def _check_results(turn: Turn, asked: Sequence[str]) -> None:
    answered: set[str] = set()
    for index, block in enumerate(turn.content):
        if not isinstance(block, ToolResult):
            continue
        if block.tool_use_id not in asked:
            raise Refused(
                f"messages.{turn.number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{block.tool_use_id}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message."
            )
        if block.tool_use_id in answered:
            raise Refused(
                f"messages.{turn.number}.content.{index}: each tool_use must have a single result. Found multiple "
                f"`tool_result` blocks with id: {block.tool_use_id}"
            )
        answered.add(block.tool_use_id)
