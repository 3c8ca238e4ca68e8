"""A conversation is the fold of its events: the messages to send, the open turn, the calls that wait. Pure.

Two laws hold for every sequence of events that the journal accepts: however a turn ends, each call of the model is
answered in the next message; and what was sent once is never changed, only added to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

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
from orchestrator.messages import Call, Message, Result, Stop, Usage, failed

NO_USAGE = Usage()
UNKNOWN_OUTCOME = (
    "outcome unknown: the call was started, and the program stopped before its result arrived. It may have taken "
    "effect. Check with a reading tool before you repeat it, and tell the user."
)
CANCELLED = "cancelled by the user: the call was stopped and may have had part of its effect."
OUT_OF_TIME = "stopped: the turn reached its limit while the call ran; it may have had part of its effect."
STOPPED = {"cancelled": CANCELLED, "limit": OUT_OF_TIME}
"""What is said of a call that was running when its turn ended so."""
NOT_RUN = "not run: the turn ended before this call was started."


@dataclass(frozen=True)
class PendingCall:
    """A call of the current step, and how far it has come."""

    call: Call
    asked: bool = False
    decision: ApprovalResolved | None = None
    started: bool = False
    result: Result | None = None


@dataclass(frozen=True)
class Turn:
    """The turn that is open: its id, how many steps it took, and the calls of the last one."""

    id: str
    steps: int = 0
    stop: Stop | None = None
    calls: tuple[PendingCall, ...] = ()
    answers: tuple[QuestionAnswered, ...] = ()
    usages: tuple[tuple[str, Usage], ...] = ()
    """Model and tokens of each request, those included that brought no answer."""
    traces: tuple[str, ...] = ()
    """Of each step whose calls are answered: a fingerprint of its calls and their results."""
    made: int = 0
    """How many calls the model asked for, in all steps."""
    heard: tuple[str, ...] = ()
    """The tools whose results came in, failed ones too, in order."""

    @property
    def pending(self) -> tuple[PendingCall, ...]:
        """The calls that have no result yet."""
        return tuple(one for one in self.calls if one.result is None)

    @property
    def answered(self) -> bool:
        """Whether the model has said its last word, and no call waits."""
        return self.stop not in (None, "calls", "paused") and not self.pending

    def call(self, call_id: str) -> PendingCall | None:
        """Return the call with this id, if it belongs to the last step."""
        return next((one for one in self.calls if one.call.id == call_id), None)


@dataclass(frozen=True)
class Conversation:
    """Everything that follows from the events so far."""

    id: str
    seq: int = 0
    """The number of the last event that went in."""
    messages: tuple[Message, ...] = ()
    model: str = ""
    """Which model the user chose last; empty is the config's."""
    turn: Turn | None = None
    ended: TurnFinished | None = None
    """How the last turn ended, if none is open."""
    usage: Usage = NO_USAGE

    @property
    def unanswered(self) -> bool:
        """Whether the user's side had the last word, so that a turn without new content makes sense."""
        return self.turn is None and bool(self.messages) and self.messages[-1].role == "user"

    def after(self, recorded: Recorded) -> Conversation:
        """Return the conversation with this event added; live events change nothing."""
        if recorded.event.live:
            return self
        return replace(self._after(recorded), seq=recorded.seq)

    def _after(self, recorded: Recorded) -> Conversation:
        match event := recorded.event:
            case TurnStarted():
                said = (Message(role="user", content=event.content),) if event.content else ()
                turn, model = Turn(recorded.turn_id), event.model or self.model
                return replace(self, messages=self.messages + said, turn=turn, model=model, ended=None)
            case StepFinished():
                return self._stepped(event)
            case ApprovalRequested():
                return self._with_call(event.call_id, asked=True)
            case ApprovalResolved():
                return self._with_call(event.call_id, decision=event)
            case ToolStarted():
                return self._with_call(event.call_id, started=True)
            case ToolFinished():
                return self._with_call(event.call_id, result=event.result)._heard(event.call_id)._results_sent()
            case TurnFinished():
                return replace(self._closed(event), turn=None, ended=event)
            case QuestionAnswered() if self.turn:
                return replace(self, turn=replace(self.turn, answers=(*self.turn.answers, event)))
            case QuestionAsked() | QuestionAnswered():
                return self
            case TextDelta() | ThinkingDelta() | ToolInputDelta() | ToolProgress() | AnswerRetried():
                return self
            case _:
                assert_never(event)

    def _stepped(self, event: StepFinished) -> Conversation:
        assert self.turn is not None, "a step without a turn"
        kept = (event.message,) if keeps(event) else ()
        asked = event.message.calls if event.stop == "calls" else ()
        turn = replace(
            self.turn,
            steps=event.step,
            stop="done" if event.stop == "calls" and not asked else event.stop,
            calls=tuple(PendingCall(call) for call in asked),
            usages=(*self.turn.usages, *((one.model, one.usage) for one in event.spent)),
            made=self.turn.made + len(asked),
        )
        usage = sum((one.usage for one in event.spent), self.usage)
        return replace(self, messages=self.messages + kept, turn=turn, usage=usage)

    def _with_call(self, call_id: str, **changes: object) -> Conversation:
        if self.turn is None or self.turn.call(call_id) is None:
            return self
        calls = tuple(replace(one, **changes) if one.call.id == call_id else one for one in self.turn.calls)
        return replace(self, turn=replace(self.turn, calls=calls))

    def _heard(self, call_id: str) -> Conversation:
        one = self.turn.call(call_id) if self.turn else None
        if self.turn is None or one is None or not one.started:
            return self
        return replace(self, turn=replace(self.turn, heard=(*self.turn.heard, one.call.tool)))

    def _results_sent(self) -> Conversation:
        """Add the results as the user's next message once the last of them is there, in the order of the calls."""
        if self.turn is None or self.turn.pending or not self.turn.calls:
            return self
        results = tuple(one.result for one in self.turn.calls if one.result is not None)
        turn = replace(self.turn, traces=(*self.turn.traces, trace(self.turn.calls)))
        return replace(self, turn=turn, messages=(*self.messages, Message(role="user", content=results)))

    def _closed(self, event: TurnFinished) -> Conversation:
        """Answer what is still open, so that the history stays one that a model accepts."""
        if self.turn is None or not self.turn.pending:
            return self
        closed = self
        for one in self.turn.pending:
            text = STOPPED.get(event.reason, UNKNOWN_OUTCOME) if one.started else NOT_RUN
            closed = closed._with_call(one.call.id, result=failed(one.call.id, text))
        return closed._results_sent()


def trace(calls: tuple[PendingCall, ...]) -> str:
    """Return a fingerprint of what was asked and what came back, the same for the same, whatever the ids."""
    done = [(one.call.tool, one.call.arguments, str(one.result.content) if one.result else "") for one in calls]
    return hashlib.sha256(repr(done).encode("utf-8", "surrogatepass")).hexdigest()


def keeps(event: StepFinished) -> bool:
    """Whether the model's message enters the history: not when it is empty, was refused, or broke off within a call."""
    broken_call = bool(event.message.calls) and event.stop != "calls"
    return bool(event.message.content) and event.stop != "refused" and not broken_call


def fold(conversation_id: str, events: Iterable[Recorded]) -> Conversation:
    """Return the conversation that these events make, given in the order of their numbers."""
    conversation = Conversation(conversation_id)
    for recorded in events:
        conversation = conversation.after(recorded)
    return conversation
