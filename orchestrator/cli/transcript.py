"""A conversation as text: who said what, which calls were made, who decided, what it took. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orchestrator.cli.cleaning import clean, one_line
from orchestrator.cli.rows import arguments_row, duration, summary, usage_row
from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Call, text_of
from orchestrator.usage import EMPTY


def transcript(events: Iterable[Recorded], *, numbers: bool = False) -> list[str]:
    """Return the lines of the conversation; with `numbers` what each event made stands behind the event's number."""
    return list(_Lines(numbers=numbers).of(events))


class _Lines:
    def __init__(self, *, numbers: bool) -> None:
        self._numbers = numbers
        self._calls: dict[str, Call] = {}
        self._bill = EMPTY

    def of(self, events: Iterable[Recorded]) -> Iterator[str]:
        for recorded in events:
            rows = list(self._line(recorded))
            yield from numbered(recorded.seq, rows) if self._numbers else rows

    def _line(self, recorded: Recorded) -> Iterator[str]:
        match event := recorded.event:
            case TurnStarted():
                said = clean(text_of(event.content)).strip()
                at = recorded.at.astimezone().strftime("%Y-%m-%d %H:%M")
                yield from ("", *indented(said, "> ")) if said else ("", f"· went on with what was unfinished, {at}")
            case StepFinished():
                yield from self._stepped(event)
            case ApprovalRequested():
                yield f"? {self._name(event.call_id)}  asked: {one_line(event.why, 160)}"
            case ApprovalResolved():
                self._edited(event)
                yield from decided(event)
            case ToolStarted():
                yield f"● {self._what(event.call_id)}  ({one_line(event.why, 160)})"
            case ToolFinished():
                mark = "✗" if event.result.is_error else "✓"
                yield f"{mark} {self._name(event.call_id)}  {summary(event.result)} · {duration(event.seconds)}"
            case QuestionAsked():
                yield f"? {one_line(event.server)} asks: {one_line(event.text, 200)}"
            case QuestionAnswered():
                words = {"accept": "answered", "decline": "declined", "cancel": "left unanswered"}
                yield f"  {words[event.action]} by the user"
            case TurnFinished():
                yield from self._ended(event)
            case _:
                pass

    def _stepped(self, event: StepFinished) -> Iterator[str]:
        self._bill = self._bill.after(event)
        self._calls |= {call.id: call for call in event.message.calls}
        if words := clean(event.message.text).strip():
            yield ""
            yield words

    def _ended(self, event: TurnFinished) -> Iterator[str]:
        if event.reason == "cancelled":
            yield f"· {one_line(event.detail, 400) or 'Stopped.'}"
        elif event.reason != "done":
            yield f"! {event.reason}: {one_line(event.detail, 400)}"
        yield f"· {usage_row(self._bill)}"
        self._bill = EMPTY

    def _edited(self, event: ApprovalResolved) -> None:
        """From now on the call is shown as it runs: with the user's arguments."""
        if event.arguments is not None and (call := self._calls.get(event.call_id)):
            self._calls[event.call_id] = call.model_copy(update={"arguments": event.arguments})

    def _name(self, call_id: str) -> str:
        call = self._calls.get(call_id)
        return one_line(call.tool) if call else "a call"

    def _what(self, call_id: str) -> str:
        call = self._calls.get(call_id)
        return f"{self._name(call_id)} {arguments_row(call.arguments) if call else ''}".rstrip()


def decided(event: ApprovalResolved) -> Iterator[str]:
    """Return who decided about a call, and what else was said with it."""
    verdict = "allowed" if event.allowed else "denied"
    note = f": {one_line(event.note, 160)}" if event.note else ""
    match event.by:
        case "rule":
            yield f"  {verdict} by rule: {one_line(event.rule.removeprefix('rule: '), 160)}"
        case "automatic":
            yield f"  {verdict} beforehand{note}" if event.allowed else f"  {verdict} automatically{note}"
        case "user":
            yield f"  {verdict} by the user{note}"
            if event.rule:
                yield f"  rule kept: {one_line(event.rule, 160)}"
    if event.arguments is not None:
        yield f"  with the user's arguments: {arguments_row(event.arguments)}"


def numbered(seq: int, rows: Iterable[str]) -> list[str]:
    """Return the lines of the rows, set in, with the event's number before the first of them that is not empty."""
    lines = [line for row in rows for line in row.split("\n")]
    first = next((place for place, line in enumerate(lines) if line), -1)
    return [f"{seq if place == first else '':>5}  {line}".rstrip() for place, line in enumerate(lines)]


def indented(text: str, first: str) -> list[str]:
    """Return the lines of `text`, the first one behind `first` and the others below it."""
    head, *rest = text.split("\n")
    return [first + head, *(" " * len(first) + line for line in rest)]
