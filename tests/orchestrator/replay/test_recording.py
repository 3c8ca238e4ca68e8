"""The scenario of a conversation makes the simulator say and call the same."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.cli.recording import Step, reproduces, scenario_of, steps_of
from orchestrator.events import TurnFinished
from orchestrator.messages import Message, Opaque, Text
from orchestrator.models.scripted import asks, says
from orchestrator.replaying.cassette import Cassette
from simulator import scenario
from simulator.mind import Mind
from simulator.situation import Situation
from tests.orchestrator.playing import call
from tests.orchestrator.replay.tapes import TurnPlan, plans, stopped, taped

pytestmark = pytest.mark.anyio


def read(cassette: Cassette) -> tuple[scenario.Scenario, list[str]]:
    text, remarks = scenario_of(cassette)
    return scenario.read(text), remarks


@settings(deadline=None, max_examples=60)
@given(turns=st.lists(plans(), min_size=1, max_size=3))
def test_the_scenario_of_any_conversation_plays_it_again(turns: list[TurnPlan]) -> None:
    cassette = anyio.run(taped, *turns)
    found, remarks = read(cassette)
    steps, _ = steps_of(cassette)
    assert reproduces(found, steps)
    assert not [remark for remark in remarks if "told apart" in remark]


async def test_rules_that_fit_by_themselves_hold_as_often_as_they_are_needed() -> None:
    cassette = await taped(TurnPlan((asks([call("a", name="one")], "Let me see."), says("Done."))))
    found, remarks = read(cassette)
    rules = [(rule.user, rule.tool, rule.say, rule.calls, rule.times) for rule in found.rules]
    assert rules == [
        ("hello", None, "Let me see.", (("notes__write", {"name": "one"}),), None),
        (None, "notes__write", "Done.", (), None),
    ]
    assert remarks == []


async def test_the_same_words_twice_are_answered_in_their_order() -> None:
    found, _ = read(await taped(TurnPlan((says("First."),)), TurnPlan((says("Second."),))))
    assert [(rule.say, rule.times) for rule in found.rules] == [("First.", 1), ("Second.", 1)]
    mind = Mind(found)
    situation = Situation("hello", (), (), introduced=True)
    assert [mind.answer(situation).pieces[0].text for _ in range(2)] == ["First.", "Second."]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "words", ["*", "/x.*/", "/unfinished(/", "a" * 500, "two\n\nlines", "'q' \"r\": {s}", "ünïcödé"]
)
async def test_whatever_the_user_said_is_a_pattern_that_fits_it(words: str) -> None:
    cassette = await taped(TurnPlan((says("Yes."),), content=(Text(text=words),)))
    found, _ = read(cassette)
    assert reproduces(found, steps_of(cassette)[0])
    assert not found.rules[0].fits(Situation("something else", (), (), introduced=True)) or words == "*"


async def test_thinking_refusals_and_failures_are_said_and_what_cannot_be_said_is_remarked() -> None:
    thought = Opaque(wire={"type": "thinking", "thinking": "Hm.", "signature": "s"})
    thinking = says("Yes.").model_copy(update={"message": Message(role="assistant", content=(thought, Text(text="Y")))})
    overloaded = TurnFinished(reason="failed", code="model_overloaded", detail="Busy.")
    words = [(Text(text=word),) for word in ("think", "refuse", "fail", "long")]
    cassette = await taped(
        TurnPlan((thinking,), content=words[0]),
        TurnPlan((stopped("refused"),), content=words[1]),
        TurnPlan((), cut=1, end=overloaded, content=words[2]),
        TurnPlan((stopped("length"),), content=words[3]),
    )
    found, remarks = read(cassette)
    think, refuse, fail, long = found.rules
    assert (think.think, think.say) == ("Hm.", "Y")
    assert refuse.refuse == "yes"
    assert fail.fail is not None
    assert (fail.fail.kind, fail.times) == ("529", 4)
    assert long.say == "I"
    assert [remark.split(":")[1] for remark in remarks] == [" the model stopped by 'length'; here it just ends."]


async def test_braces_that_a_scenario_would_fill_in_are_remarked() -> None:
    cassette = await taped(TurnPlan((asks([call("a")]), says("It said {result}."))))
    _, remarks = read(cassette)
    assert len(remarks) == 1


async def test_a_conversation_without_an_answer_still_gives_a_scenario() -> None:
    open_turn = await taped(TurnPlan((), cut=1, end=TurnFinished(reason="cancelled")))
    found, remarks = read(open_turn)
    assert (len(found.rules), remarks) == (1, ["The model never answered."])


def test_a_step_that_the_scenario_would_answer_otherwise_is_noticed() -> None:
    other = scenario.Rule(user="hello", say="Other.")
    step = Step(Situation("hello", (), (), introduced=True), scenario.Rule(user="hello", say="Mine."))
    assert not reproduces(scenario.Scenario((other,)), [step])
