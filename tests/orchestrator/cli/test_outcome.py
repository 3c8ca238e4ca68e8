from __future__ import annotations

import pytest

from orchestrator.cli.outcome import Tally, exit_code
from orchestrator.events import DurableEvent, TurnFinished, TurnStarted
from orchestrator.messages import Text
from tests.orchestrator.cli.telling import call, finished, started, step, told

HELLO = TurnStarted(content=(Text(text="hello"),))


def tally(*events: DurableEvent) -> Tally:
    counted = Tally("c", "t")
    for recorded in told(*events):
        counted.feed(recorded)
    return counted


@pytest.mark.parametrize(
    ("reason", "code", "exits"),
    [
        ("done", "", 0),
        ("failed", "bug", 1),
        ("failed", "config", 2),
        ("failed", "model_refused_key", 3),
        ("failed", "model_cut", 3),
        ("failed", "server_missing", 4),
        ("failed", "store", 1),
        ("failed", "", 3),
        ("limit", "max_cost", 6),
        ("limit", "max_steps", 7),
        ("limit", "no_progress", 7),
        ("length", "", 6),
        ("refused", "", 3),
        ("cancelled", "", 130),
    ],
)
def test_every_end_has_its_exit_code(reason: str, code: str, exits: int) -> None:
    assert exit_code(TurnFinished.model_validate({"reason": reason, "code": code})) == exits


def test_an_outcome_holds_the_last_words_the_calls_and_the_tokens() -> None:
    good, bad, open_one = call("a", path="."), call("b"), call("d")
    events = (
        HELLO,
        step(good, bad, open_one, text="I look."),
        started(good),
        started(bad),
        finished(good, "three files"),
        finished(bad, "no", fails=True),
        step(text="Three.", number=2),
        TurnFinished(reason="done"),
    )
    outcome = tally(*events).outcome()
    assert (outcome.status, outcome.exit_code, outcome.text, outcome.error) == ("done", 0, "Three.", None)
    assert [(one.is_error, one.why, one.result) for one in outcome.calls] == [
        (False, "a rule", "three files"),
        (True, "a rule", "no"),
        (True, "", ""),
    ]
    assert outcome.usage.context_tokens == 90


def test_a_refusal_because_nobody_was_there_is_no_success() -> None:
    counted = tally(HELLO, step(text="I may not."), TurnFinished(reason="done"))
    counted.denied.append("files__write")
    assert counted.outcome().exit_code == 5
    counted.end = TurnFinished(reason="failed", code="model_cut")
    assert counted.outcome().exit_code == 3, "another failure goes first"


def test_another_turn_of_the_conversation_does_not_count() -> None:
    counted = Tally("c", "another")
    for recorded in told(HELLO, step(text="x"), TurnFinished(reason="done")):
        counted.feed(recorded)
    assert counted.end is None
