"""A conversation as a document for people."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    DurableEvent,
    Recorded,
    StepFinished,
    ToolFinished,
    TurnStarted,
)
from orchestrator.exporting import as_markdown
from orchestrator.messages import Message, Result, Text, Usage
from tests.orchestrator.playing import call


def document(*events: DurableEvent) -> str:
    now = datetime.now(UTC)
    return as_markdown(
        [Recorded(conversation_id="c", turn_id="t", seq=seq, at=now, event=one) for seq, one in enumerate(events, 1)]
    )


def test_a_call_stands_there_with_the_arguments_that_it_ran_with() -> None:
    asked = call("a", kind="assam")
    text = document(
        TurnStarted(content=(Text(text="Tea?"),)),
        StepFinished(
            step=1, message=Message(role="assistant", content=(asked,)), stop="calls", usage=Usage(), model="m"
        ),
        ApprovalRequested(call_id="a", tool=asked.tool, arguments=asked.arguments, why="nothing allows it"),
        ApprovalResolved(call_id="a", allowed=True, by="user", arguments={"kind": "sencha"}),
        ToolFinished(call_id="a", result=Result(call_id="a", content=(Text(text="hot"),))),
    )
    assert "*Allowed by the user, with other arguments.*" in text
    assert '**notes__write** `{"kind": "sencha"}` returned' in text
    assert "assam" not in text
