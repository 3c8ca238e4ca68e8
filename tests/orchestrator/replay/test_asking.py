"""Another model is asked the same, and the tools answer as they did."""

from __future__ import annotations

import pytest

from orchestrator import turn
from orchestrator.errors import ModelRejected
from orchestrator.journal import Journal
from orchestrator.messages import Result
from orchestrator.models.scripted import Line, ScriptedModel, asks, says
from orchestrator.replaying.asking import Asked, asked_again
from orchestrator.tools.scripted import offered
from tests.orchestrator.playing import Stage, call
from tests.orchestrator.replay.tapes import TurnPlan, taped

pytestmark = pytest.mark.anyio
THEN = (asks([call("a", name="one"), call("b", "notes__read", name="two")]), says("Both done."))
TOOLS = (offered("notes__read"), offered("notes__write"), offered("notes__new"))


async def asked(*script: Line, plans: tuple[TurnPlan, ...] = (TurnPlan(THEN),)) -> tuple[list[Asked], ScriptedModel]:
    model = ScriptedModel(*script)
    stage = Stage([])

    def crew(journal: Journal) -> turn.Crew:
        return stage.crew(model)

    cassette = await taped(*plans)
    found = [one async for one in asked_again(cassette, "deep", crew, lambda: TOOLS)]
    assert stage.done == [], "nothing is really called"
    return found, model


def results(model: ScriptedModel) -> list[Result]:
    return [block for block in model.requests[-1].messages[-1].content if isinstance(block, Result)]


async def test_a_model_that_does_the_same_under_other_ids_changed_nothing() -> None:
    calls = [call("x", name="one"), call("y", "notes__read", name="two")]
    found, model = await asked(asks(calls), says("Both done."))
    assert [one.changed for one in found] == [False]
    assert [text for one in results(model) for text in (one.call_id, one.is_error)] == ["x", False, "y", False]
    assert model.requests[0].model == "deep"
    assert [tool.name for tool in model.requests[0].tools] == ["notes__new", "notes__read", "notes__write"]


async def test_a_call_that_was_not_recorded_is_refused_in_words_and_the_turn_goes_on() -> None:
    found, model = await asked(asks([call("x", name="other"), call("y", "notes__new")]), says("I see."))
    assert [one.changed for one in found] == [True]
    assert [one.id for one in found[0].now.calls] == ["x", "y"]
    first, second = results(model)
    assert (first.is_error, second.is_error) == (True, True)
    assert 'It was recorded with: {"name": "one"}.' in first.content[0].text  # type: ignore[union-attr]
    assert "not recorded with any arguments" in second.content[0].text  # type: ignore[union-attr]
    assert found[0].now.text == "I see."


async def test_a_call_that_was_denied_then_gets_the_same_refusal() -> None:
    found, model = await asked(
        asks([call("z", name="one")]), says("Ok."), plans=(TurnPlan(THEN, refuse=frozenset({"a"})),)
    )
    assert results(model)[0].is_error
    assert results(model)[0].content[0].text == "denied by the test."  # type: ignore[union-attr]
    assert found[0].changed


async def test_every_turn_is_asked_with_what_the_new_model_said_before() -> None:
    plans = (TurnPlan((says("Hi."),)), TurnPlan((says("Bye."),)))
    found, model = await asked(says("Good day."), says("Bye."), plans=plans)
    assert [one.changed for one in found] == [True, False]
    assert [message.text for message in model.requests[-1].messages] == ["hello", "Good day.", "hello"]


async def test_a_model_that_fails_is_a_change_with_its_reason() -> None:
    found, _ = await asked(ModelRejected("No such model."))
    assert found[0].changed
    assert found[0].now.ended is not None
    assert (found[0].now.ended.reason, found[0].now.ended.detail) == ("failed", "No such model.")


async def test_a_turn_that_only_went_on_counts_with_the_one_before() -> None:
    from orchestrator.events import TurnFinished

    broken = TurnPlan(THEN, cut=1, end=TurnFinished(reason="failed", code="model_cut"))
    found, _ = await asked(*THEN, plans=(broken, TurnPlan(THEN, content=())))
    assert [one.changed for one in found] == [False]
