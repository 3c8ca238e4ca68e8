"""A cassette: what was recorded of a conversation, in a form from which it can be played again. Pure."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, cast

from pydantic import JsonValue, ValidationError

from orchestrator.errors import UsageError
from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    Recorded,
    StepFinished,
    ToolFinished,
    ToolStarted,
)
from orchestrator.exporting import FORMAT
from orchestrator.messages import Answer, Call, Result
from orchestrator.turn import told_of_change


@dataclass(frozen=True)
class RecordedCall:
    """A call of the model, and all that was recorded of it."""

    call: Call
    asked: ApprovalRequested | None = None
    decided: ApprovalResolved | None = None
    started: ToolStarted | None = None
    finished: ToolFinished | None = None

    @property
    def arguments(self) -> dict[str, JsonValue]:
        """The arguments it was made with: the user's, if the user changed the model's."""
        return self.call.arguments if self.edited is None else self.edited

    @property
    def edited(self) -> dict[str, JsonValue] | None:
        """What the user made of the arguments; None if they stayed as they were."""
        return self.decided.arguments if self.decided and self.decided.allowed else None

    @property
    def announced(self) -> bool:
        """Whether its result begins with the word to the model that the user changed the arguments."""
        if self.edited is None or self.finished is None:
            return False
        first = self.finished.result.content[:1]
        return told_of_change(Result(call_id=self.call.id, content=()), self.edited).content == first

    @property
    def result(self) -> Result | None:
        """What the tool returned, without that word; None if nothing was recorded."""
        if self.finished is None or not self.announced:
            return self.finished.result if self.finished else None
        return self.finished.result.model_copy(update={"content": self.finished.result.content[1:]})


@dataclass(frozen=True)
class Tape:
    """One turn of a cassette."""

    turn_id: str
    events: tuple[Recorded, ...]

    @cached_property
    def places(self) -> dict[str, Recorded]:
        """The events by their keys."""
        return {recorded.event.key: recorded for recorded in self.events if not recorded.event.live}

    @cached_property
    def calls(self) -> dict[str, RecordedCall]:
        """The calls by their ids, in the order in which the model wrote them."""
        found: dict[str, RecordedCall] = {}
        for recorded in self.events:
            event = recorded.event
            if isinstance(event, StepFinished) and event.stop == "calls":
                found |= {call.id: RecordedCall(call) for call in event.message.calls}
            elif (field := FIELDS.get(type(event))) and (one := found.get(cast(Any, event).call_id)):
                found[one.call.id] = replace(one, **{field: event})
        return found

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """What the model answered, request by request."""
        steps = [recorded.event for recorded in self.events if isinstance(recorded.event, StepFinished)]
        return tuple(Answer(**{name: getattr(step, name) for name in Answer.model_fields}) for step in steps)

    def after(self, seq: int) -> Recorded | None:
        """Return the event that follows number `seq`, or None at the end of the tape."""
        place = bisect_right(self.events, seq, key=lambda recorded: recorded.seq)
        return self.events[place] if place < len(self.events) else None


FIELDS: dict[type, str] = {
    ApprovalRequested: "asked",
    ApprovalResolved: "decided",
    ToolStarted: "started",
    ToolFinished: "finished",
}


@dataclass(frozen=True)
class Cassette:
    """A conversation's recorded events, in the order of their numbers."""

    conversation_id: str
    events: tuple[Recorded, ...]

    @cached_property
    def tapes(self) -> tuple[Tape, ...]:
        """Its turns."""
        turns = groupby(self.events, key=lambda recorded: recorded.turn_id)
        return tuple(Tape(turn_id, tuple(events)) for turn_id, events in turns)

    @property
    def calls(self) -> tuple[RecordedCall, ...]:
        """The calls of all turns."""
        return tuple(call for tape in self.tapes for call in tape.calls.values())


def recorded(conversation_id: str, events: Iterable[Recorded]) -> Cassette:
    """Return the cassette of a conversation as a store holds it."""
    return Cassette(conversation_id, tuple(events))


def read(text: str, name: str = "the file") -> Cassette:
    """Return the cassette that `exporting.as_json` wrote. Raises `UsageError`, which calls it by `name`."""
    try:
        values = json.loads(text)
        if not isinstance(values, dict) or cast("dict[str, Any]", values).get("format") != FORMAT:
            raise ValueError(f"it does not say {FORMAT!r}")
        body = cast("dict[str, Any]", values)
        bodies = cast("Sequence[dict[str, Any]]", body["events"])
        return recorded(body["id"], [Recorded(conversation_id=body["id"], **one) for one in bodies])
    except (ValueError, ValidationError, KeyError, TypeError, RecursionError) as wrong:
        reason = str(wrong).splitlines()[0] if str(wrong) else type(wrong).__name__
        raise UsageError(f"{name} is no cassette: {reason}.", "Write one with `replay ID --save`.") from None
