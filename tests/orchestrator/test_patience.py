"""What stands between a turn and a failing provider: other models, a breaker, limits that are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from orchestrator.app import kinds_of
from orchestrator.config import ModelConfig
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversation import Conversation
from orchestrator.errors import ModelCut, ModelError, ModelOverloaded, ModelRejected, ModelResting, ModelUnreachable
from orchestrator.events import AnswerRetried
from orchestrator.messages import Answer, Message, Request, Spent, Text, Usage
from orchestrator.models import wire
from orchestrator.models.breaking import BreakingModel
from orchestrator.models.fallback import FallbackModel
from orchestrator.models.limiting import LimitingModel, RateLimits
from orchestrator.models.retrying import RetryingModel
from orchestrator.models.scripted import ScriptedModel, says
from orchestrator.models.simulated import SimulatedModel

pytestmark = pytest.mark.anyio

REQUEST = Request(
    model="first",
    max_tokens=10,
    tools=(),
    system="",
    messages=(Message(role="user", content=(Text(text="hi"),)),),
)
REFUSED = says("I cannot.").model_copy(update={"stop": "refused"})


class Shown:
    def __init__(self) -> None:
        self.events: list[object] = []

    async def emit(self, event: object) -> None:
        self.events.append(event)

    @property
    def changes(self) -> list[str]:
        return [event.why for event in self.events if isinstance(event, AnswerRetried)]


@pytest.mark.parametrize(
    "failure", [ModelOverloaded("Busy."), ModelUnreachable("Gone."), REFUSED, ModelResting("Rests.")]
)
async def test_another_model_is_asked_when_one_cannot_or_will_not_answer(failure) -> None:
    shown, inner = Shown(), ScriptedModel(failure, ModelOverloaded("Busy too."), says("Here."))
    answer = await FallbackModel(inner, ["second", "third"]).ask(REQUEST, shown.emit)
    assert answer.message.text == "Here."
    assert [request.model for request in inner.requests] == ["first", "second", "third"]
    assert ["second" in shown.changes[0], "third" in shown.changes[1]] == [True, True]


async def test_what_a_refusal_used_is_billed_with_the_answer_of_the_next_model() -> None:
    refusal = REFUSED.model_copy(update={"model": "first", "usage": Usage(output_tokens=9)})
    model = SimulatedModel(FallbackModel(ScriptedModel(refusal, says("Here.")), ["second"]))
    answer = await model.ask(REQUEST, Shown().emit)
    assert answer.beside == (Spent(model="simulator (first)", usage=Usage(output_tokens=9)),)


@pytest.mark.parametrize("failure", [ModelRejected("No."), ModelCut("Cut.")])
async def test_what_another_model_would_not_mend_is_not_asked_of_it(failure) -> None:
    inner = ScriptedModel(failure, says("never"))
    with pytest.raises(type(failure)):
        await FallbackModel(inner, ["second"]).ask(REQUEST, Shown().emit)
    assert len(inner.requests) == 1


async def test_when_all_refuse_the_last_refusal_is_the_answer() -> None:
    answer = await FallbackModel(ScriptedModel(REFUSED, REFUSED), ["second"]).ask(REQUEST, Shown().emit)
    assert answer.stop == "refused"


async def test_an_endpoint_that_failed_in_a_row_is_left_alone_and_asked_again_after_its_rest() -> None:
    inner = ScriptedModel(*[ModelOverloaded("Busy.")] * 4, says("Back."))
    breaking = BreakingModel(inner, "http://there", failures=3, rest=3600)
    for _ in range(3):
        with pytest.raises(ModelOverloaded):
            await breaking.ask(REQUEST, Shown().emit)
    with pytest.raises(ModelResting, match="left alone"):
        await breaking.ask(REQUEST, Shown().emit)
    assert len(inner.requests) == 3, "it was not asked"
    breaking = BreakingModel(inner, "http://there", failures=1, rest=0.05)
    with pytest.raises(ModelOverloaded):
        await breaking.ask(REQUEST, Shown().emit)
    with anyio.fail_after(30):
        while True:
            try:
                answer = await breaking.ask(REQUEST, Shown().emit)
                break
            except ModelResting:
                await anyio.lowlevel.checkpoint()
    assert answer.message.text == "Back."


async def test_refused_requests_and_cancelled_turns_say_nothing_about_an_endpoint() -> None:
    started = anyio.Event()

    async def forever(_: Request):
        started.set()
        await anyio.sleep_forever()
        raise AssertionError

    inner = ScriptedModel(*[ModelRejected("No.")] * 5, *[forever] * 5, says("Fine."))
    breaking = BreakingModel(inner, "http://there", failures=3)
    for _ in range(5):
        with pytest.raises(ModelRejected):
            await breaking.ask(REQUEST, Shown().emit)
    for _ in range(5):
        started = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(breaking.ask, REQUEST, Shown().emit)
            with anyio.fail_after(30):
                await started.wait()
            tasks.cancel_scope.cancel()
    assert (await breaking.ask(REQUEST, Shown().emit)).message.text == "Fine."


async def test_a_model_that_rests_keeps_nobody_from_asking_another_at_the_same_endpoint() -> None:
    def overloaded(request: Request) -> Answer | ModelError:
        return ModelOverloaded("Busy.") if request.model == "first" else says("Here.")

    inner = ScriptedModel(*[overloaded] * 50)
    patient = RetryingModel(BreakingModel(inner, "http://there", failures=3), attempts=2, first_wait=0.01)
    model = FallbackModel(patient, ["second"])
    with anyio.fail_after(20):
        answers = [await model.ask(REQUEST, Shown().emit) for _ in range(4)]
    assert [answer.message.text for answer in answers] == ["Here."] * 4
    asked = [request.model for request in inner.requests]
    assert (asked.count("first"), asked.count("second")) == (3, 4)


async def test_whoever_waits_for_the_minutes_limit_is_told_how_long() -> None:
    limits, shown = RateLimits(requests=1, clock=Clock()), Shown()
    limits.reserve(0)
    with anyio.move_on_after(0.01):
        await LimitingModel(ScriptedModel(says("never")), limits).ask(REQUEST, shown.emit)
    assert [(event.why, event.seconds) for event in shown.events if isinstance(event, AnswerRetried)] == [
        ("The requests or tokens of this minute are used up.", 60.0)
    ]


async def test_a_resting_endpoint_is_not_hammered_by_retries() -> None:
    inner = ScriptedModel(ModelResting("Rests."), says("never"))
    with pytest.raises(ModelResting):
        await RetryingModel(inner, first_wait=0.01).ask(REQUEST, Shown().emit)
    assert len(inner.requests) == 1


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_limit_of_requests_lets_a_burst_through_and_then_one_at_a_time() -> None:
    clock = Clock()
    limits = RateLimits(requests=60, clock=clock)
    for _ in range(60):
        assert limits.wait(0) == 0
        limits.reserve(0)
    assert limits.wait(0) == pytest.approx(1.0)
    clock.now += 1.0
    assert limits.wait(0) == 0


def test_tokens_are_reserved_by_estimate_and_settled_by_what_was_used() -> None:
    limits = RateLimits(tokens=1000, clock=Clock())
    limits.reserve(900)
    assert limits.wait(200) == pytest.approx(6.0)
    limits.settle(900, 100)
    assert limits.wait(200) == 0
    assert limits.wait(900) == 0
    limits.settle(0, 2000)
    assert limits.wait(1) > 60, "who used more than a minute's worth waits for it"


def test_a_request_larger_than_a_minutes_worth_is_sent_when_the_bucket_is_full() -> None:
    assert RateLimits(tokens=10, clock=Clock()).wait(1_000_000) == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "{}"}, 20),
        ({"anthropic-ratelimit-input-tokens-remaining": "0", "anthropic-ratelimit-input-tokens-reset": "{}"}, 20),
        ({"anthropic-ratelimit-requests-remaining": "1", "anthropic-ratelimit-requests-reset": "{}"}, 0),
        ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "soon"}, 0),
        ({"anthropic-ratelimit-requests-remaining": "0"}, 0),
        ({}, 0),
    ],
)
def test_what_the_provider_says_is_left_goes_first(headers: dict[str, str], seconds: float) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    reset = (now + timedelta(seconds=20)).isoformat()
    limits = RateLimits(clock=Clock())
    limits.heard({name: value.format(reset) for name, value in headers.items()}, now)
    assert limits.wait(0) == pytest.approx(seconds)


async def test_what_was_read_from_the_cache_does_not_count() -> None:
    limits = RateLimits(tokens=1000, clock=Clock())
    cached = says("x").model_copy(update={"usage": Usage(input_tokens=100, cache_read_tokens=100_000)})
    await LimitingModel(ScriptedModel(cached), limits).ask(REQUEST, Shown().emit)
    assert limits.wait(900) == 0
    assert limits.wait(901) > 0


def test_each_kind_of_model_may_think_as_hard_as_it_shall() -> None:
    model = ModelConfig(name="usual", effort="low", fast="small", deep="big", deep_effort="max")
    kinds = kinds_of(model, Choice("usual", 100, "low", "omitted"))
    assert kinds == {"fast": Choice("small", 100, "low", "omitted"), "deep": Choice("big", 100, "max", "omitted")}
    assert kinds_of(ModelConfig(deep_effort="max"), Choice("usual")) == {}


def test_a_turn_may_name_a_model_or_what_it_is_for() -> None:
    settings = ContextSettings(
        Choice("usual", effort="low"), {"deep": Choice("big", effort="max", thinking="summarized")}
    )
    asked = plan(Conversation("c", model="deep"), [], settings)
    assert (asked.model, asked.effort) == ("big", "max")
    assert wire.body(asked)["output_config"] == {"effort": "max"}
    assert wire.body(asked)["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert plan(Conversation("c", model="other"), [], settings).model == "other"
    usual = plan(Conversation("c"), [], settings)
    assert usual.model == "usual"
    assert "thinking" not in wire.body(usual)
