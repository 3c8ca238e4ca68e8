"""Events for the screen, at a clock that ticks a second each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from orchestrator.events import DurableEvent, LiveEvent, Recorded, StepFinished, TextDelta, ToolFinished, ToolStarted
from orchestrator.messages import Call, Message, Result, Text, Usage, failed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def told(*events: DurableEvent | LiveEvent) -> list[Recorded]:
    """Return the events as recorded in conversation `c`, turn `t`."""
    return [
        Recorded(conversation_id="c", turn_id="t", seq=number, at=NOON + timedelta(seconds=number), event=event)
        for number, event in enumerate(events, 1)
    ]


def call(call_id: str, tool: str = "files__fs_list", **arguments: JsonValue) -> Call:
    return Call(id=call_id, tool=tool, arguments=arguments)


def step(*calls: Call, text: str = "", number: int = 1) -> StepFinished:
    words = (Text(text=text),) if text else ()
    message = Message(role="assistant", content=(*words, *calls))
    usage = Usage(input_tokens=10, output_tokens=5, cache_read_tokens=30)
    return StepFinished(step=number, message=message, stop="calls" if calls else "done", usage=usage, model="m")


def spoken(text: str, size: int = 3) -> list[TextDelta]:
    return [TextDelta(text=text[start : start + size]) for start in range(0, len(text), size)]


def started(one: Call) -> ToolStarted:
    return ToolStarted(call_id=one.id, tool=one.tool, why="a rule")


def finished(one: Call, text: str, *, fails: bool = False) -> ToolFinished:
    result = failed(one.id, text) if fails else Result(call_id=one.id, content=(Text(text=text),))
    return ToolFinished(call_id=one.id, result=result, seconds=0.1)
