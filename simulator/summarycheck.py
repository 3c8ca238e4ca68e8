"""Compaction blocks: their place, their seal, and what a request for one needs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from simulator import betas as beta
from simulator import signatures
from simulator.blocks import Compaction, ToolUse
from simulator.errors import Refused
from simulator.pairing import Turn
from simulator.parsing import Request
from simulator.prefix import blocks_of
from simulator.request import CompactAt, Prompt
from simulator.shapes import Json


def check(request: Request[Prompt], turns: Sequence[Turn]) -> None:
    """Raise `Refused` with its error code for a block that is misplaced or changed, or a request with nothing to do."""
    found = [
        (number, index, block)
        for number, message in enumerate(request.body.messages)
        for index, block in enumerate(message.content)
        if isinstance(block, Compaction)
    ]
    _check_signed(request, [one for one in found if one[2].signature is not None])
    if any(block.signature is None for *_, block in found) and not request.caller.betas & {
        beta.COMPACT_AT,
        beta.COMPACT,
    }:
        raise Refused("messages: compaction blocks need the beta header " + beta.COMPACT_AT)
    if request.body.compaction is not None:
        _check_request(turns)


def _check_signed(request: Request[Prompt], signed: Sequence[tuple[int, int, Compaction]]) -> None:
    if not signed:
        return
    if beta.COMPACT not in request.caller.betas:
        raise Refused(f"messages.{signed[0][0]}: signed compaction blocks need the beta header {beta.COMPACT}")
    if len(signed) > 1:
        raise Refused("messages: more than one compaction block", code="compaction_block_ambiguous")
    number, index, block = signed[0]
    if (number, index) != (0, 0):
        raise Refused(
            f"messages.{number}.content.{index}: the compaction block must be the first block of the first message",
            code="compaction_block_misplaced",
        )
    management = request.body.context_management
    if management and any(isinstance(edit, CompactAt) for edit in management.edits):
        raise Refused("context_management: `compact_20260112` cannot be combined with a signed compaction block")
    sent = blocks_of(request.sent["messages"][0]["content"])[0]
    fault = signatures.summary_fault(block.content or "", changes_text(sent), request.model.id, block.signature or "")
    if fault:
        raise Refused("messages.0.content.0: the compaction block is not as it was returned", code=fault)


def changes_text(block: Json) -> str:
    """Return a compaction block's tool changes as the text that is sealed."""
    return json.dumps(block.get("tool_changes") or [], sort_keys=True)


def _check_request(turns: Sequence[Turn]) -> None:
    if turns and turns[-1].role == "assistant" and any(isinstance(block, ToolUse) for block in turns[-1].content):
        raise Refused("compaction: the last turn has tool uses without results", code="compaction_incomplete_turn")
    blocks = [block for turn in turns for block in turn.content if not isinstance(block, Compaction)]
    if not blocks:
        raise Refused("compaction: there is nothing to summarize", code="compaction_nothing_to_summarize")
