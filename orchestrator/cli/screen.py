"""From events to what is shown. Pure: events in, pieces out; a writer puts them on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never

from orchestrator.cli.cleaning import one_line, streamed
from orchestrator.cli.rows import arguments_row, duration, plural, summary, usage_row
from orchestrator.errors import Fenced
from orchestrator.events import (
    AnswerRetried,
    ApprovalRequested,
    ApprovalResolved,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    StepFinished,
    TextDelta,
    ThinkingDelta,
    ToolFinished,
    ToolInputDelta,
    ToolProgress,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.usage import EMPTY, Bill

Kind = Literal["started", "ok", "failed", "note", "problem", "advice"]
MARKS: Mapping[Kind, str] = {"started": "●", "ok": "✓", "failed": "✗", "note": "·", "problem": "!", "advice": " "}
LIVE_ROWS = 8
TAKEN_OVER = "Another window took this turn over."
LONGEST_WAIT = 3600.0
"""Seconds; what began longer ago was begun by another process, and its clock says nothing."""


@dataclass(frozen=True)
class Words:
    """A piece of what the model says, as it comes."""

    text: str


@dataclass(frozen=True)
class Row:
    """One line that is finished; its state is a sign and a word, never colour alone."""

    kind: Kind
    text: str

    def __str__(self) -> str:
        return f"{MARKS[self.kind]} {self.text}"


@dataclass(frozen=True)
class Thought:
    """A piece of what the model thinks, as it comes."""

    text: str


Piece = Words | Thought | Row


@dataclass(frozen=True)
class Running:
    """A call that has no result yet."""

    tool: str
    arguments: str = ""
    began: datetime | None = None
    """When it was started; before that it waits for a decision."""
    progress: str = ""


@dataclass
class Screen:
    """What one watcher of a conversation has been shown. With `live`, running calls stand in the live region only."""

    live: bool = False
    running: dict[str, Running] = field(default_factory=dict[str, Running])
    _spoken: str = ""  # the words of this step that were shown
    _denied: dict[str, str] = field(default_factory=dict[str, str])
    _bill: Bill = EMPTY
    _steps: int = 0
    _waiting: datetime | None = None  # since when the model is waited for

    def feed(self, recorded: Recorded) -> list[Piece]:
        """Return what the event adds to the screen."""
        self._waiting = self._waits(recorded)
        match event := recorded.event:
            case TextDelta():
                text = streamed(event.text)
                self._spoken += text
                return [Words(text)] if text else []
            case StepFinished():
                return self._stepped(event)
            case AnswerRetried():
                return self._retried(event)
            case ToolStarted():
                return self._started(event, recorded.at)
            case ToolProgress():
                self._progressed(event)
                return []
            case ToolFinished():
                return [self._finished(event, recorded.at)]
            case ApprovalResolved():
                return self._decided(event)
            case TurnFinished():
                return self._ended(event, recorded.conversation_id)
            case TurnStarted():
                self._bill, self._steps, self._spoken = EMPTY, 0, ""
                return []
            case ThinkingDelta():
                text = streamed(event.text)
                return [Thought(text)] if text and self.live else []
            case ToolInputDelta() | ApprovalRequested() | QuestionAsked() | QuestionAnswered():
                return []
            case _:
                assert_never(event)

    def live_rows(self, now: datetime) -> list[str]:
        """Return the rows of the live region: calls that run or wait (at most `LIVE_ROWS`), or what is waited for."""
        if self._waiting and not self.running:
            seconds = (now - self._waiting).total_seconds()
            return [f"… waiting for the model {duration(max(0.0, seconds))}" if seconds < LONGEST_WAIT else "…"]
        rows = [live_row(one, now) for one in self.running.values()]
        if len(rows) > LIVE_ROWS:
            more = len(rows) - LIVE_ROWS + 1
            rows = [*rows[: LIVE_ROWS - 1], f"  … and {more} more calls"]
        return rows

    def _waits(self, recorded: Recorded) -> datetime | None:
        """Return since when the model's next word is waited for, if it is."""
        match recorded.event:
            case TurnStarted() | ToolFinished() | AnswerRetried():
                return recorded.at
            case TextDelta() | ThinkingDelta() | StepFinished() | TurnFinished():
                return None
            case _:
                return self._waiting

    def _stepped(self, event: StepFinished) -> list[Piece]:
        """The words are complete: show what the stream did not bring, and end the line."""
        self._bill, self._steps = self._bill.after(event), event.step
        whole, self._spoken, spoken = streamed(event.message.text), "", self._spoken
        missing = "" if spoken and not whole.startswith(spoken) else whole[len(spoken) :]
        for call in event.message.calls:
            self.running[call.id] = Running(one_line(call.tool), arguments_row(call.arguments))
        end = "" if (spoken + missing).endswith("\n") or not spoken + missing else "\n"
        return [Words(missing + end)] if missing + end else []

    def _retried(self, event: AnswerRetried) -> list[Piece]:
        void = " What was said above is void." if self._spoken else ""
        self._spoken = ""
        why = one_line(event.why, 160).rstrip(".")
        return [Row("note", f"{why}; asking again in {duration(event.seconds)} (attempt {event.attempt}).{void}")]

    def _decided(self, event: ApprovalResolved) -> list[Piece]:
        one = self.running.get(event.call_id)
        if one and event.arguments is not None:
            self.running[event.call_id] = replace(one, arguments=arguments_row(event.arguments))
        if not event.allowed:
            self._denied[event.call_id] = event.note
        if event.by != "rule":
            return []
        verdict = "allowed" if event.allowed else "denied"
        rule = one_line(event.rule.removeprefix("rule: "), 160)
        return [Row("note", f"{one.tool if one else 'a call'}  {verdict} by rule: {rule}")]

    def _started(self, event: ToolStarted, at: datetime) -> list[Piece]:
        one = replace(self.running.get(event.call_id, Running(one_line(event.tool))), began=at)
        self.running[event.call_id] = one
        return [] if self.live else [Row("started", " ".join(filter(None, (one.tool, one.arguments))))]

    def _progressed(self, event: ToolProgress) -> None:
        if one := self.running.get(event.call_id):
            share = f"{event.done / event.total:.0%}" if event.total else f"{event.done:g}"
            self.running[event.call_id] = replace(one, progress=f"{share} {one_line(event.text, 40)}".strip())

    def _finished(self, event: ToolFinished, at: datetime) -> Row:
        one = self.running.pop(event.call_id, Running("a call"))
        what = f"{one.tool} {one.arguments}".strip() if self.live or not one.began else one.tool
        said = summary(event.result)
        if event.call_id in self._denied:
            note = one_line(self._denied.pop(event.call_id))
            return Row("failed", f"{what}  denied" + (f": {note}" if note else ""))
        seconds = (at - one.began).total_seconds() if one.began else event.seconds
        time = f" · {duration(seconds)}" if one.began else ""
        return Row("failed" if event.result.is_error else "ok", f"{what}  {said}{time}")

    def _ended(self, event: TurnFinished, conversation_id: str) -> list[Piece]:
        if event.code == Fenced.code:
            self.running, self._spoken = {}, ""
            where = f"`orchestrator chat --resume {conversation_id}` shows how it goes on."
            return [Row("problem", TAKEN_OVER), Row("advice", where)]
        left = [Row("failed", f"{one.tool} {one.arguments}".rstrip() + "  stopped") for one in self.running.values()]
        self.running, self._spoken = {}, ""
        cost = Row("note", f"{self._steps} step{plural(self._steps)} · {usage_row(self._bill)}")
        if event.reason == "done":
            return [*left, cost] if self.live and self._steps else [*left]
        if event.reason == "cancelled":
            return [*left, Row("note", "Stopped. What was said and done so far is kept.")]
        keep = f"Your message is kept: `orchestrator chat --resume {conversation_id}` goes on from here."
        detail = one_line(event.detail, 600) or f"The turn ended: {event.reason}."
        return [*left, Row("problem", detail), Row("advice", keep)]


def live_row(one: Running, now: datetime) -> str:
    """Return a running call's row, with the seconds it takes so far."""
    what = f"{MARKS['started']} {one.tool} {one.arguments}".rstrip()
    if one.began is None:
        return f"{what}  …waits"
    seconds = max(0.0, (now - one.began).total_seconds())
    return f"{what}  …{one.progress or 'running'} {duration(seconds)}"
