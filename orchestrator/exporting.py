"""A conversation as a document: JSON that holds everything, Markdown that a person reads. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from orchestrator.events import (
    ApprovalResolved,
    DurableEvent,
    LiveEvent,
    Recorded,
    StepFinished,
    ToolFinished,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Call, Image, Result, Text, text_of

FORMAT = "orchestrator-conversation/1"


def as_json(events: Sequence[Recorded]) -> str:
    """Return everything that was recorded, one JSON object: format, id, and the events in their order."""
    conversation_id = events[0].conversation_id if events else ""
    body = [recorded.model_dump(mode="json", exclude={"conversation_id"}) for recorded in events]
    return json.dumps({"format": FORMAT, "id": conversation_id, "events": body}, ensure_ascii=False, indent=1)


def as_markdown(events: Sequence[Recorded]) -> str:
    """Return what was said and done, for reading: questions as headings, calls with arguments and results in fences."""
    calls: dict[str, Call] = {}
    parts: list[str] = []
    for recorded in events:
        match event := recorded.event:
            case StepFinished():
                calls |= {call.id: call for call in event.message.calls}
            case ApprovalResolved(call_id=edited) if event.arguments is not None and edited in calls:
                calls[edited] = calls[edited].model_copy(update={"arguments": event.arguments})
            case _:
                pass
        parts += told(event, calls)
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def told(event: DurableEvent | LiveEvent, calls: dict[str, Call]) -> Iterable[str]:
    """Return the paragraphs that one event makes."""
    match event:
        case TurnStarted() if event.content:
            first, _, rest = text_of(event.content).partition("\n")
            pictures = [f"({part.media_type})" for part in event.content if isinstance(part, Image)]
            return [f"## {first}", rest, *pictures]
        case StepFinished():
            return [text_of(event.message.content)]
        case ApprovalResolved():
            who = {"user": "by the user", "rule": f"by a rule: {event.rule}", "automatic": "beforehand"}[event.by]
            edited = ", with other arguments" if event.arguments is not None else ""
            verdict = f"{'Allowed' if event.allowed else 'Denied'} {who}{edited}."
            return [f"*{verdict} {event.note}*".replace(" *", "*")]
        case ToolFinished():
            return [called(calls.get(event.call_id), event.result)]
        case TurnFinished() if event.reason != "done":
            return [f"*The turn ended: {event.reason}. {event.detail}*"]
        case _:
            return []


def called(call: Call | None, result: Result) -> str:
    """Return a call and its result as one paragraph."""
    name = call.tool if call else "a call"
    arguments = json.dumps(call.arguments, ensure_ascii=False) if call else ""
    words = text_of(part for part in result.content if isinstance(part, Text))
    pictures = "".join(f"\n({part.media_type})" for part in result.content if isinstance(part, Image))
    mark = "failed" if result.is_error else "returned"
    fence = "`" * max(3, longest_run(words) + 1)
    return f"**{name}** `{arguments}` {mark}:\n\n{fence}\n{words}{pictures}\n{fence}"


def longest_run(text: str) -> int:
    """Return the length of the longest run of backticks, which a fence around the text must exceed."""
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
