"""What people decided and answered is part of the recording: approvals, changed arguments, questions, crashes."""

from __future__ import annotations

import anyio
import pytest

from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    QuestionAsked,
)
from orchestrator.messages import failed
from orchestrator.models.scripted import asks, says
from orchestrator.replaying.strict import replay
from orchestrator.turn import told_of_change
from tests.orchestrator.playing import call
from tests.orchestrator.replay.people import ALLOW_ALL, lived, no, written, yes

pytestmark = pytest.mark.anyio
CALLS = asks([call("a", name="one"), call("b", name="two"), call("c", "notes__brew", name="three")])
LIVES = {
    "all allowed": ({"a": yes("a"), "b": yes("b"), "c": yes("c")}, None),
    "one denied with a note": ({"a": yes("a"), "b": no("b", "Not this one."), "c": yes("c")}, None),
    "arguments changed": ({"a": yes("a", name="other"), "b": yes("b"), "c": yes("c", name="q")}, None),
    "a rule that answers the rest": ({"a": yes("a")}, ALLOW_ALL),
    "cancelled while asked": ({"a": yes("a"), "b": "cancel"}, None),
}


@pytest.mark.parametrize("name", LIVES)
async def test_what_people_decided_replays_to_the_byte(name: str) -> None:
    answers, rule = LIVES[name]
    cassette = await lived([CALLS, says("Ok.")], answers, rule)
    assert any(isinstance(one.event, ApprovalResolved) for one in cassette.events)
    with anyio.fail_after(20):
        assert await replay(cassette) is None


async def test_a_call_that_a_rule_denies_replays_without_a_question() -> None:
    cassette = await lived([asks([call("a", "notes__burn"), call("b", "notes__lost")]), says("Ok.")], {})
    assert not any(isinstance(one.event, ApprovalRequested) for one in cassette.events)
    assert await replay(cassette) is None


async def test_a_turn_that_went_in_circles_replays_with_the_answer_that_let_it_go_on() -> None:
    circle = [asks([call(f"n{number}", name="same")]) for number in range(4)]
    answers = {f"n{number}": yes(f"n{number}") for number in range(4)}
    cassette = await lived([*circle, says("Ok.")], answers)
    asked = [one.event for one in cassette.events if isinstance(one.event, QuestionAsked)]
    assert [event.server for event in asked] == ["orchestrator"]
    assert await replay(cassette) is None


async def test_a_call_with_changed_arguments_replays_whatever_became_of_it_after_a_crash() -> None:
    one = asks([call("a", name="one")])
    asked = ApprovalRequested(call_id="a", tool="notes__write", arguments={"name": "one"}, why="because")
    unknown = failed("a", "outcome unknown: the program stopped.")
    for result in (unknown, told_of_change(unknown, {"name": "two"})):
        cassette = await written(one, asked, yes("a", name="two"), result=result)
        assert await replay(cassette) is None


async def test_a_decision_that_came_late_or_for_nothing_is_played_where_it_was() -> None:
    result = failed("a", "broken")
    for early, late in ((yes("nobody"), None), (None, no("a"))):
        cassette = await written(asks([call("a")]), *filter(None, [early]), result=result, late=late)
        assert await replay(cassette) is None
