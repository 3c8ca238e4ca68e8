"""What became of a turn: for scripts, as one value and one exit code. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from orchestrator.conversation import NO_USAGE
from orchestrator.errors import OrchestratorError
from orchestrator.events import Recorded, StepFinished, ToolFinished, ToolStarted, TurnEnd, TurnFinished
from orchestrator.messages import Call, Result, Usage, Value, text_of

DONE: Final = 0
BUG: Final = 1
MODEL: Final = 3
PERMISSION: Final = 5
BUDGET: Final = 6
STEPS: Final = 7
INTERRUPTED: Final = 130
SPENT = frozenset({"max_seconds", "max_tokens", "max_cost"})
"""Limits of what a turn may cost; the others bound how often it goes round."""


class CallReport(Value):
    """One call, and what came back."""

    tool: str
    arguments: dict[str, JsonValue]
    why: str = ""
    """The rule or person that let it run; empty if it never ran."""
    is_error: bool = False
    result: str = ""
    seconds: float = 0.0


class Failure(Value):
    """Why a turn did not come to its end."""

    code: str
    message: str


class Outcome(Value):
    """A turn that is over."""

    conversation_id: str
    turn_id: str
    status: TurnEnd
    exit_code: int
    text: str
    """The model's last words."""
    calls: tuple[CallReport, ...] = ()
    denied: tuple[str, ...] = ()
    """Tools that were refused because nobody was there to ask."""
    error: Failure | None = None
    usage: Usage = NO_USAGE
    model: str = ""


@dataclass
class Tally:
    """Counts a turn's events up to its outcome."""

    conversation_id: str
    turn_id: str
    denied: list[str] = field(default_factory=list[str])
    end: TurnFinished | None = None
    _calls: dict[str, Call] = field(default_factory=dict[str, Call])
    _why: dict[str, str] = field(default_factory=dict[str, str])
    _results: dict[str, tuple[Result, float]] = field(default_factory=dict[str, tuple[Result, float]])
    _text: str = ""
    _model: str = ""
    _usage: Usage = NO_USAGE

    def feed(self, recorded: Recorded) -> None:
        """Count an event; those of other turns do not count."""
        if recorded.turn_id != self.turn_id:
            return
        match event := recorded.event:
            case StepFinished():
                self._text, self._model = event.message.text or self._text, event.model
                self._usage = sum((one.usage for one in event.spent), self._usage)
                self._calls |= {call.id: call for call in event.message.calls}
            case ToolStarted():
                self._why[event.call_id] = event.why
            case ToolFinished():
                self._results[event.call_id] = event.result, event.seconds
            case TurnFinished():
                self.end = event
            case _:
                pass

    def outcome(self) -> Outcome:
        """Return the outcome. The turn must be over."""
        assert self.end is not None, "the turn is not over"
        code = exit_code(self.end)
        failed = self.end.reason != "done"
        return Outcome(
            conversation_id=self.conversation_id,
            turn_id=self.turn_id,
            status=self.end.reason,
            exit_code=PERMISSION if code == DONE and self.denied else code,
            text=self._text,
            calls=tuple(self._reports()),
            denied=tuple(self.denied),
            error=Failure(code=self.end.code or self.end.reason, message=self.end.detail) if failed else None,
            usage=self._usage,
            model=self._model,
        )

    def _reports(self) -> Iterator[CallReport]:
        for call in self._calls.values():
            result, seconds = self._results.get(call.id, (None, 0.0))
            yield CallReport(
                tool=call.tool,
                arguments=call.arguments,
                why=self._why.get(call.id, ""),
                is_error=result is None or result.is_error,
                result=text_of(result.content) if result else "",
                seconds=round(seconds, 3),
            )


def exit_code(end: TurnFinished) -> int:
    """Return the program's exit code for the end of a turn."""
    match end.reason:
        case "done":
            return DONE
        case "cancelled":
            return INTERRUPTED
        case "failed":
            return exit_codes().get(end.code, BUG) if end.code else MODEL
        case "limit":
            return BUDGET if end.code in SPENT else STEPS
        case "length":
            return BUDGET
        case "refused":
            return MODEL


def exit_codes() -> Mapping[str, int]:
    """Return the exit code of every error by its `code`."""

    def family(error: type[OrchestratorError]) -> Iterator[type[OrchestratorError]]:
        yield error
        for child in error.__subclasses__():
            yield from family(child)

    return {error.code: error.exit_code for error in family(OrchestratorError)} | {"bug": BUG}
