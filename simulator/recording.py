"""A conversation that took place as a scenario that plays it again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from simulator.blocks import Text, Thinking, ToolResult, ToolUse
from simulator.request import Message
from simulator.scenario import Rule, Scenario
from simulator.shapes import Json
from simulator.summary import is_request, result_text, text_of

LONGEST = 80


def record(messages: Sequence[Json], name: str = "") -> Scenario:
    """Return the scenario of a conversation, given as the `messages` of the API (roles and content blocks).

    Each answer becomes a rule: about the user's words, or about what the first tool of the last step returned. Where
    the same condition occurs again with another answer, the earlier rule is used once. Raises `ValueError` for messages
    that are none.
    """
    rules = list(_rules([Message.model_validate(message) for message in messages]))
    later = Counter((rule.user, rule.tool, rule.containing) for rule in rules)
    found: list[Rule] = []
    for rule in rules:
        key = (rule.user, rule.tool, rule.containing)
        later[key] -= 1
        found.append(replace(rule, times=1) if later[key] else rule)
    return Scenario(tuple(found), name)


def _rules(messages: Sequence[Message]) -> Iterator[Rule]:
    calls: dict[str, str] = {}
    for number, message in enumerate(messages):
        if message.role != "assistant" or number == 0:
            continue
        before = messages[number - 1]
        calls |= {block.id: block.name for block in message.content if isinstance(block, ToolUse)}
        condition = _condition(before, calls)
        if condition is None:
            continue
        said = "\n\n".join(block.text for block in message.content if isinstance(block, Text))
        thought = "\n\n".join(
            block.thinking for block in message.content if isinstance(block, Thinking) and block.thinking
        )
        uses = tuple((block.name, block.input) for block in message.content if isinstance(block, ToolUse))
        if said or thought or uses:
            yield replace(condition, say=said or None, think=thought or None, calls=uses)


def _condition(before: Message, calls: dict[str, str]) -> Rule | None:
    """Return a rule that fits what stood before an answer."""
    if is_request(before):
        return Rule(user=_part(text_of(before)))
    result = next((block for block in before.content if isinstance(block, ToolResult)), None)
    if result is None or result.tool_use_id not in calls:
        return None
    return Rule(tool=calls[result.tool_use_id], containing=_part(result_text(result.content)) or None)


def _part(text: str) -> str:
    """Return the beginning of a text, as a rule can hold it: one line, and no pattern."""
    line = " ".join(text.split())[:LONGEST].strip()
    return line[1:] if line.startswith("/") and line.endswith("/") else line
