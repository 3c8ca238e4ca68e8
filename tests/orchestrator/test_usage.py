from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.conversation import fold
from orchestrator.events import Recorded, StepFinished, TurnFinished, TurnStarted
from orchestrator.messages import Message, Spent, Text, Usage
from orchestrator.policy.limits import TurnLimits, reached
from orchestrator.pricing import dollars, prices
from orchestrator.usage import bill, bills

MILLION = 1_000_000


def step(seq: int, model: str, usage: Usage, turn_id: str = "t") -> Recorded:
    message = Message(role="assistant", content=())
    event = StepFinished(step=seq, message=message, stop="done", usage=usage, model=model)
    return Recorded(conversation_id="c", turn_id=turn_id, seq=seq, at=datetime(2026, 11, 1, tzinfo=UTC), event=event)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(input_tokens=MILLION), 4.0),
        (Usage(output_tokens=MILLION), 20.0),
        (Usage(cache_write_5m_tokens=MILLION), 5.0),
        (Usage(cache_write_1h_tokens=MILLION), 8.0),
        (Usage(cache_read_tokens=MILLION), 0.2),
        (Usage(input_tokens=1000, output_tokens=1000, cache_read_tokens=10_000), 0.026),
    ],
    ids=["fresh", "output", "written for 5 minutes", "written for an hour", "read", "all together"],
)
def test_each_kind_of_token_has_its_own_price(usage: Usage, cost: float) -> None:
    assert dollars("claude-opus-5-5", usage) == pytest.approx(cost)


def test_a_model_whose_price_depends_on_the_size_of_the_prompt_is_billed_by_its_tier() -> None:
    assert dollars("claude-haiku-5-5", Usage(input_tokens=100_000)) == pytest.approx(0.01)
    assert dollars("claude-haiku-5-5", Usage(input_tokens=100_001)) == pytest.approx(0.0500005)
    cached = Usage(input_tokens=1, cache_read_tokens=100_000)
    assert dollars("claude-haiku-5-5", cached) == pytest.approx(0.0050005), "what was cached counts to the size"


def test_a_dated_id_costs_what_its_model_costs_and_an_unknown_one_is_not_guessed() -> None:
    usage = Usage(input_tokens=MILLION)
    assert dollars("claude-opus-5-5-20261001", usage) == dollars("claude-opus-5-5", usage)
    assert dollars("llama-at-home", usage) is None
    total = bill([step(1, "claude-opus-5-5", usage), step(2, "llama-at-home", usage)])
    assert (total.dollars, total.unpriced, total.tokens.input_tokens) == (4.0, {"llama-at-home"}, 2 * MILLION)


def test_what_was_used_on_the_way_to_an_answer_is_on_the_bill_and_is_no_step() -> None:
    compacted = Spent(model="claude-haiku-4-5", usage=Usage(input_tokens=MILLION))
    one = step(1, "claude-opus-5-5", Usage(input_tokens=MILLION, web_searches=3))
    assert isinstance(one.event, StepFinished)
    one = one.model_copy(update={"event": one.event.model_copy(update={"beside": (compacted,)})})
    total = bill([one])
    assert (total.steps, total.tokens.input_tokens) == (1, 2 * MILLION)
    assert total.dollars == pytest.approx(4.0 + 1.0 + 0.03)
    conversation = fold("c", [begun(), one])
    assert conversation.usage == total.tokens
    assert conversation.turn is not None
    assert reached(conversation.turn, TurnLimits(dollars=5.0)) is not None
    assert reached(conversation.turn, TurnLimits(dollars=5.1)) is None


def begun() -> Recorded:
    content = (Text(text="hello"),)
    at = datetime(2026, 11, 1, tzinfo=UTC)
    return Recorded(conversation_id="c", turn_id="t", seq=0, at=at, event=TurnStarted(content=content))


def test_the_price_list_says_when_and_where_it_was_read() -> None:
    assert datetime.fromisoformat(prices().as_of)
    assert prices().sources
    for tiers in prices().models.values():
        assert tiers[-1].up_to is None, "the last tier is for prompts of any size"


def test_bills_are_split_by_what_one_asks_for_and_add_up() -> None:
    events = [step(1, "a", Usage(input_tokens=5), "t1"), step(2, "a", Usage(cache_read_tokens=15), "t2")]
    events.append(Recorded.model_validate(events[0].model_dump() | {"event": TurnFinished(reason="done").model_dump()}))
    split = bills(events, lambda one: one.turn_id)
    assert list(split) == ["t1", "t2"]
    whole = bill(events)
    assert whole.tokens == split["t1"].tokens + split["t2"].tokens
    assert whole.cache_hits == 0.75
    assert (whole.steps, bill([]).cache_hits) == (2, 0.0)
