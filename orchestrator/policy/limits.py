"""Where a turn must end, whatever the model wants: steps, calls, seconds, tokens, dollars, going in circles. Pure.

To repeat a call is not yet to go in circles (waiting for a build looks the same); to make the same calls and get the
same results is.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.conversation import PendingCall, Turn
from orchestrator.usage import EMPTY, Bill

CIRCLES = 3
"""How many rounds in a row must do the same and learn the same."""
LONGEST_ROUND = 3
"""Of how many steps such a round may be."""


@dataclass(frozen=True)
class TurnLimits:
    """The limits of one turn; None is no limit."""

    steps: int = 50
    calls: int = 500
    seconds: float | None = None
    """Of work: the time in which a human was asked does not count."""
    tokens: int | None = None
    dollars: float | None = None


@dataclass(frozen=True)
class Reached:
    """A limit that was reached: its name in the config, and what happened in a sentence."""

    code: str
    detail: str


def reached(turn: Turn, limits: TurnLimits) -> Reached | None:
    """Return the limit that forbids another step, if one does."""
    spent = bill(turn)
    total = spent.tokens.prompt_tokens + spent.tokens.output_tokens
    if turn.steps >= limits.steps:
        return Reached("max_steps", f"The turn took {turn.steps} steps, as many as limits.max_steps allows.")
    if turn.made >= limits.calls:
        return Reached("max_calls", f"The model asked for {turn.made} calls; limits.max_calls allows {limits.calls}.")
    if limits.tokens is not None and total >= limits.tokens:
        return Reached("max_tokens", f"The turn used {total:,} tokens; limits.max_tokens allows {limits.tokens:,}.")
    if limits.dollars is not None and spent.dollars >= limits.dollars:
        cost = f"${spent.dollars:.4f}"
        return Reached("max_cost", f"The turn cost {cost}; limits.max_cost allows ${limits.dollars:g}.")
    return None


def out_of_time(limits: TurnLimits) -> Reached:
    """Return the limit of seconds, once it was reached."""
    return Reached("max_seconds", f"The turn worked {limits.seconds:g} s, as long as limits.max_seconds allows.")


def too_many(turn: Turn, limits: TurnLimits) -> tuple[PendingCall, ...]:
    """Return the calls of the last step that are beyond the limit of calls."""
    before = turn.made - len(turn.calls)
    return turn.calls[max(0, limits.calls - before) :]


def bill(turn: Turn) -> Bill:
    """Return what the turn has used so far."""
    spent = EMPTY
    for model, usage in turn.usages:
        spent = spent.with_tokens(model, usage)
    return spent


def circling(turn: Turn) -> bool:
    """Whether the last rounds made the same calls and got the same results, since the user last said to go on."""
    asked = [one for one in turn.answers if one.question_id.startswith(GO_ON) and one.action == "accept"]
    since = max((int(answer.question_id.removeprefix(GO_ON)) for answer in asked), default=0)
    for length in range(1, LONGEST_ROUND + 1):
        rounds, most = turn.traces[-length:] * CIRCLES, length * CIRCLES
        if len(turn.traces) >= most and turn.steps - since >= most and turn.traces[-most:] == rounds:
            return True
    return False


GO_ON = "go on after step "
"""How the question to the user is numbered."""
