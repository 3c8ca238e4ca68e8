"""Context editing: what is left out of a prompt on the API's side, and how much that was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simulator import sizes
from simulator.catalog import ModelCard
from simulator.prefix import blocks_of
from simulator.request import ClearThinking, ClearToolUses, CompactAt, ContextManagement, TurnsValue
from simulator.shapes import Json
from simulator.sizes import Sized, measure

PLACEHOLDER = "[Old tool result content cleared]"


@dataclass(frozen=True)
class Edited:
    """A request after its edits."""

    sent: Json
    original: int
    """Tokens before."""
    sized: tuple[Sized, ...]
    """The positions that are left."""
    applied: tuple[Json, ...] = ()
    compact: CompactAt | None = None
    """The edit that asks for a summary, if its trigger was reached."""

    @property
    def total(self) -> int:
        """Tokens after."""
        return self.sized[-1].total if self.sized else 0


def apply(sent: Json, management: ContextManagement | None, model: ModelCard) -> Edited:
    """Return `sent` with the edits applied, oldest content first."""
    sized = tuple(measure(sent, model))
    original = sized[-1].total if sized else 0
    if management is None or not management.edits:
        return Edited(sent, original, sized)
    applied: list[Json] = []
    compact: CompactAt | None = None
    for edit in management.edits:
        before = sizes.total(sent, model)
        if isinstance(edit, CompactAt):
            limit = edit.trigger.value if edit.trigger else 150_000
            compact = edit if before >= limit else None
            continue
        if isinstance(edit, ClearThinking):
            after, count = _without_thinking(sent, edit)
            name = "cleared_thinking_turns"
        else:
            after, count = _without_results(sent, edit, original, model)
            name = "cleared_tool_uses"
        cleared = before - sizes.total(after, model)
        if count:
            applied.append({"type": edit.type, name: count, "cleared_input_tokens": cleared})
            sent = after
    return Edited(sent, original, tuple(measure(sent, model)) if applied else sized, tuple(applied), compact)


def _without_thinking(sent: Json, edit: ClearThinking) -> tuple[Json, int]:
    """Return the request with thinking in the last turns only, and how many turns lost theirs."""
    if not isinstance(edit.keep, TurnsValue):
        return sent, 0
    thinking = [n for n, message in enumerate(sent["messages"]) if _thinks(message)]
    gone = set(thinking[: -edit.keep.value])
    messages = [
        message | {"content": [block for block in blocks_of(message["content"]) if "thinking" not in block["type"]]}
        if number in gone
        else message
        for number, message in enumerate(sent["messages"])
    ]
    return sent | {"messages": [message for message in messages if message["content"]]}, len(gone)


def _thinks(message: Json) -> bool:
    return any(block.get("type") in ("thinking", "redacted_thinking") for block in blocks_of(message["content"]))


def _without_results(sent: Json, edit: ClearToolUses, tokens: int, model: ModelCard) -> tuple[Json, int]:
    """Return the request with old results replaced, and how many; unchanged if the edit is not due or not worth it."""
    uses = [
        block for message in sent["messages"] for block in blocks_of(message["content"]) if block["type"] == "tool_use"
    ]
    due = tokens >= edit.trigger.value if edit.trigger.type == "input_tokens" else len(uses) > edit.trigger.value
    if not due:
        return sent, 0
    excluded = edit.exclude_tools or []
    old = [use for use in (uses[: -edit.keep.value] if edit.keep.value else uses) if use["name"] not in excluded]
    gone = {use["id"] for use in old if not _is_cleared(sent, use["id"])}
    if not gone:
        return sent, 0
    messages = [
        message | {"content": [_cleared(block, gone, edit) for block in blocks_of(message["content"])]}
        for message in sent["messages"]
    ]
    after = sent | {"messages": messages}
    saved = sizes.total(sent, model) - sizes.total(after, model)
    if edit.clear_at_least and saved < edit.clear_at_least.value:
        return sent, 0
    return after, len(gone)


def _is_cleared(sent: Json, use: str) -> bool:
    return any(
        block.get("tool_use_id") == use and block.get("content") == PLACEHOLDER
        for message in sent["messages"]
        for block in blocks_of(message["content"])
    )


def _cleared(block: Json, gone: set[str], edit: ClearToolUses) -> Json:
    if block.get("type") == "tool_result" and block["tool_use_id"] in gone:
        return block | {"content": PLACEHOLDER}
    wanted = edit.clear_tool_inputs is True or block.get("name") in _names(edit.clear_tool_inputs)
    if block.get("type") == "tool_use" and block["id"] in gone and wanted:
        return block | {"input": {}}
    return block


def _names(inputs: bool | list[str] | None) -> Sequence[str]:
    return inputs if isinstance(inputs, list) else ()
