from __future__ import annotations

import math

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.conversation import UNKNOWN_OUTCOME, fold
from orchestrator.errors import ModelCut
from orchestrator.events import (
    ApprovalResolved,
    DurableEvent,
    QuestionAnswered,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Message, Result, Text, Usage
from orchestrator.policy.limits import TurnLimits
from orchestrator.store.memory import MemoryStore
from tests.orchestrator.playing import HELLO, Stage, asks, begun, breaches, call, play, says, starts

pytestmark = pytest.mark.anyio

SCRIPT = (
    asks([call("a", name="one"), call("b", "notes__read", name="two"), call("c", name="three")], "Let me see."),
    asks([call("d", name="four")]),
    says("All done."),
)


async def whole_turn() -> list[DurableEvent]:
    return await (await play(SCRIPT)).events()


WHOLE = anyio.run(whole_turn)


def results(messages: tuple[Message, ...]) -> list[Result]:
    return [block for message in messages for block in message.content if isinstance(block, Result)]


async def test_a_turn_runs_all_calls_of_a_step_and_ends_with_the_models_last_word() -> None:
    stage = await play(SCRIPT)
    conversation = fold("c", await stage.store.events("c"))
    assert sorted(stage.done) == ["read two", "write four", "write one", "write three"]
    assert [block.call_id for block in results(conversation.messages)] == ["a", "b", "c", "d"]
    assert conversation.ended == TurnFinished(reason="done")
    assert conversation.messages[-1].text == "All done."


async def test_one_call_fails_one_is_unknown_one_denied_and_still_each_has_its_result_in_order() -> None:
    calls = [call(f"n{number}", name=str(number)) for number in range(6)]
    calls[2] = call("n2", "notes__burn")
    stage = await play((asks(calls), says("Ok.")), refuse=["n4"])
    conversation = fold("c", await stage.store.events("c"))
    answers = results(conversation.messages)
    assert [one.call_id for one in answers] == [one.id for one in calls]
    assert [one.call_id for one in answers if one.is_error] == ["n2", "n4"]
    assert starts(await stage.events()) == ["n0", "n1", "n3", "n5"]
    assert conversation.ended == TurnFinished(reason="done")


@settings(deadline=None)
@given(cut=st.integers(min_value=1, max_value=len(WHOLE) - 1))
def test_a_turn_cut_anywhere_resumes_and_starts_no_call_twice(cut: int) -> None:
    stage = anyio.run(play, SCRIPT, WHOLE[:cut])
    events = anyio.run(stage.events)
    assert sorted(starts(events)) == ["a", "b", "c", "d"]
    assert events[-1] == TurnFinished(reason="done")
    assert not breaches(fold("c", anyio.run(stage.store.events, "c")).messages)


@settings(deadline=None)
@given(cut=st.integers(min_value=1, max_value=len(WHOLE) - 1))
def test_a_call_that_was_started_and_never_finished_is_reported_and_not_run_again(cut: int) -> None:
    before = WHOLE[:cut]
    finished = {event.call_id for event in before if isinstance(event, ToolFinished)}
    unknown = set(starts(before)) - finished
    stage = anyio.run(play, SCRIPT, before)
    told = {
        event.call_id
        for event in anyio.run(stage.events)
        if isinstance(event, ToolFinished) and event.result.content == (Text(text=UNKNOWN_OUTCOME),)
    }
    assert told == unknown - {"b"}, "b only reads, so it is simply done again"
    names = {"a": "write one", "b": "read two", "c": "write three", "d": "write four"}
    repeated = [names[one] for one in finished | told if names[one] in stage.done]
    assert repeated == []


@settings(deadline=None)
@given(
    cut=st.integers(min_value=1, max_value=len(WHOLE) - 1),
    end=st.sampled_from(["cancelled", "failed", "limit"]),
)
def test_however_a_turn_ends_every_call_is_answered_in_the_next_message(cut: int, end: str) -> None:
    ending = TurnFinished(reason=end)  # type: ignore[arg-type]
    stage = anyio.run(play, SCRIPT, [*WHOLE[:cut], ending])
    conversation = fold("c", anyio.run(stage.store.events, "c"))
    assert not breaches(conversation.messages)
    assert conversation.turn is None
    again = anyio.run(_next_turn, stage)
    assert not breaches(again)
    assert again[: len(conversation.messages)] == conversation.messages, "what was sent is never changed"


async def _next_turn(stage: Stage) -> tuple[Message, ...]:
    ref = await begun(stage.store, "c", "t2", HELLO)
    step = asks([call("z")])
    await stage.store.append(ref, [StepFinished(step=1, **dict(step)), TurnFinished(reason="cancelled")])
    return fold("c", await stage.store.events("c")).messages


@settings(deadline=None, max_examples=30)
@given(after=st.integers(min_value=0, max_value=len(WHOLE) - 2))
def test_a_process_that_dies_at_any_append_leaves_a_turn_that_another_finishes(after: int) -> None:
    async def story() -> Stage:
        store = DyingStore()
        stage = Stage(SCRIPT, store=store)
        await stage.prepare(HELLO)
        store.after = after
        with pytest.raises((Died, BaseExceptionGroup)):
            await stage.resume()
        store.after = 10_000
        await stage.resume()
        return stage

    stage = anyio.run(story)
    events = anyio.run(stage.events)
    assert sorted(starts(events)) == ["a", "b", "c", "d"]
    effects = [done for done in stage.done if done.startswith("write")]
    assert len(set(effects)) == len(effects), "an effect happened twice"
    assert events[-1] == TurnFinished(reason="done")


class Died(Exception):
    """The process is gone."""


class DyingStore(MemoryStore):
    """Takes a number of events; then the process that writes to it is gone."""

    after = 10_000

    async def append(self, turn, events):
        if self.after <= 0:
            raise Died
        self.after -= len(events)
        return await super().append(turn, events)


async def test_a_turn_stops_at_its_limit_of_steps_and_says_so() -> None:
    stage = Stage([asks([call(f"n{number}")]) for number in range(10)], limits=TurnLimits(steps=3))
    await stage.prepare(HELLO)
    await stage.resume()
    last = (await stage.events())[-1]
    assert isinstance(last, TurnFinished)
    assert (last.reason, last.code) == ("limit", "max_steps")
    assert len(stage.done) == 3


async def test_a_turn_that_goes_in_circles_asks_and_stops_where_nobody_says_go_on() -> None:
    stage = Stage([asks([call(f"n{number}", name="same")]) for number in range(10)])
    await stage.prepare(HELLO)
    await stage.resume()
    last = (await stage.events())[-1]
    assert isinstance(last, TurnFinished)
    assert (last.reason, last.code) == ("limit", "no_progress")
    assert len(stage.done) == 3


async def test_a_model_that_uses_an_id_again_gets_each_call_run_once_and_answered() -> None:
    script = [asks([call("a", name="1"), call("a", name="2")]), asks([call("a", name="3")]), says("Ok.")]
    stage = await play(script)
    assert stage.done == ["write 1", "write 2", "write 3"]
    messages = fold("c", await stage.store.events("c")).messages
    assert [one.call_id for one in results(messages)] == ["a", "a-2", "a-3"]
    assert not breaches(messages)


async def test_a_model_that_gives_no_ids_or_odd_ones_gets_each_call_run_once_and_answered() -> None:
    stage = await play([asks([call("", name="1"), call("", name="2")]), asks([call("a b", name="3")]), says("Ok.")])
    assert stage.done == ["write 1", "write 2", "write 3"]
    messages = fold("c", await stage.store.events("c")).messages
    assert [one.call_id for one in results(messages)] == ["call", "call-2", "a_b"]
    assert not breaches(messages)


async def test_arguments_that_the_user_changed_count_after_a_crash_as_well() -> None:
    begun = [HELLO, StepFinished(step=1, **dict(asks([call("b", "notes__read", name="secret")])))]
    decided = ApprovalResolved(call_id="b", allowed=True, arguments={"name": "public"})
    started = ToolStarted(call_id="b", tool="notes__read", why="test")
    stage = await play([asks([]), says("Ok.")], [*begun, decided, started])
    assert stage.done == ["read public"]


async def test_calls_that_differ_are_no_circle() -> None:
    script = [asks([call(f"n{number}", name=str(number % 4))]) for number in range(12)]
    stage = await play([*script, says("Done.")])
    assert len(stage.done) == 12


@pytest.mark.parametrize("length", [1, 2, 3])
async def test_a_circle_of_some_steps_is_one_as_well(length: int) -> None:
    stage = await play([asks([call(f"n{number}", name=str(number % length))]) for number in range(20)])
    last = (await stage.events())[-1]
    assert isinstance(last, TurnFinished)
    assert (last.code, len(stage.done)) == ("no_progress", 3 * length)


async def test_a_turn_stops_at_its_limit_of_calls_and_of_tokens() -> None:
    for limits, code in ((TurnLimits(calls=4), "max_calls"), (TurnLimits(tokens=3), "max_tokens")):
        stage = Stage([asks([call(f"{n}a", name=str(n)), call(f"{n}b")]) for n in range(9)], limits=limits)
        await stage.prepare(HELLO)
        await stage.resume()
        last = (await stage.events())[-1]
        assert isinstance(last, TurnFinished)
        assert last.code == code


async def test_an_answer_that_asks_for_more_calls_than_are_left_gets_no_more_than_those() -> None:
    for cut in (1, 2, 3, 4):
        script = [asks([call("a", name="1")]), asks([call(f"n{n}", name=str(n)) for n in range(5)]), says("never")]
        whole = Stage(script, limits=TurnLimits(calls=3))
        await whole.prepare(HELLO)
        await whole.resume()
        assert whole.done == ["write 1", "write 0", "write 1"]
        again = Stage(script, limits=TurnLimits(calls=3))
        await again.prepare(*(await whole.events())[: -cut - 1])
        await again.resume()
        for stage in (whole, again):
            last = (await stage.events())[-1]
            assert isinstance(last, TurnFinished)
            assert (last.reason, last.code) == ("limit", "max_calls")
            messages = fold("c", await stage.store.events("c")).messages
            assert not breaches(messages)
            assert ["not run" in str(one) for one in results(messages)] == [False, False, False, True, True, True]


@pytest.mark.parametrize("where", ["the model", "a call"])
async def test_the_limit_of_seconds_stops_what_never_ends(where: str) -> None:
    class Endless(Stage):
        def play(self, verb: str):
            return never

    async def never(*_: object):
        await anyio.sleep_forever()
        raise AssertionError

    script = [never] if where == "the model" else [asks([call("a"), call("b", "notes__read")]), says("never")]
    stage = Endless(script, limits=TurnLimits(seconds=0.05))
    await stage.prepare(HELLO)
    with anyio.fail_after(20):
        await stage.resume()
    last = (await stage.events())[-1]
    assert isinstance(last, TurnFinished)
    assert (last.reason, last.code) == ("limit", "max_seconds")
    messages = fold("c", await stage.store.events("c")).messages
    assert not breaches(messages)
    assert all(one.is_error for one in results(messages))


async def test_of_a_call_that_ran_when_the_time_was_up_the_model_is_told_that_it_may_have_had_part_of_its_effect() -> (
    None
):
    step = StepFinished(step=1, **dict(asks([call("a"), call("b")])))
    started = ToolStarted(call_id="a", tool="notes__write", why="test")
    stage = await play([], [HELLO, step, started, TurnFinished(reason="limit", code="max_seconds")])
    told = results(fold("c", await stage.store.events("c")).messages)
    assert ["may have had part of its effect" in str(one) for one in told] == [True, False]
    assert ["not run" in str(one) for one in told] == [False, True]


async def test_the_clock_of_the_work_stands_still_while_a_human_is_asked() -> None:
    store = MemoryStore()
    await store.create("c")
    await store.begin("c", "t", "me", HELLO)
    journal = await Journal.claim(store, LocalFeed(), "c", "t", "me")
    answer = QuestionAnswered(question_id="q", action="accept")
    with anyio.fail_after(20), journal.at_work(1000) as work:
        before = work.deadline
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(journal.until, lambda now: now.turn is not None and bool(now.turn.answers))
            await anyio.wait_all_tasks_blocked()
            assert work.deadline == math.inf
            await journal.emit(answer)
        assert before < work.deadline < before + 1000


async def test_a_turn_stops_at_its_limit_of_dollars() -> None:
    dear = asks([call("a")]).model_copy(update={"model": "claude-opus-5-5", "usage": Usage(output_tokens=50_000)})
    stage = Stage([dear, says("never")], limits=TurnLimits(dollars=0.99))
    await stage.prepare(HELLO)
    await stage.resume()
    last = (await stage.events())[-1]
    assert isinstance(last, TurnFinished)
    assert (last.code, "$1.00" in last.detail) == ("max_cost", True)


async def test_a_model_that_fails_leaves_the_turn_open_and_the_message_kept() -> None:
    stage = Stage([ModelCut("The answer ended early.")])
    await stage.prepare(HELLO)
    with pytest.raises(ModelCut):
        await stage.resume()
    assert await stage.events() == [HELLO]


async def test_an_answer_cut_within_a_call_never_enters_the_history_and_runs_nothing() -> None:
    message = Message(role="assistant", content=(Text(text="I will"), call("a")))
    cut = asks([]).model_copy(update={"message": message, "stop": "length", "usage": Usage(output_tokens=9)})
    stage = await play((cut,))
    conversation = fold("c", await stage.store.events("c"))
    assert stage.done == []
    assert [message.role for message in conversation.messages] == ["user"]
    assert conversation.ended is not None
    assert conversation.ended.reason == "length"
    assert conversation.usage.output_tokens == 9, "it was billed all the same"


async def test_eight_calls_of_one_message_run_at_the_same_time() -> None:
    waiting = 0
    all_there = anyio.Event()

    class Meeting(Stage):
        def play(self, verb: str):
            async def work(arguments, desk):
                nonlocal waiting
                waiting += 1
                if waiting == 8:
                    all_there.set()
                with anyio.fail_after(30):
                    await all_there.wait()
                return "met"

            return work

    stage = Meeting([asks([call(f"n{number}") for number in range(8)]), says("Ok.")])
    await stage.prepare(HELLO)
    await stage.resume()
    finished = [event for event in await stage.events() if isinstance(event, ToolFinished)]
    assert [event.result.is_error for event in finished] == [False] * 8
    assert all(event.result.content == (Text(text="met"),) for event in finished)


async def test_a_tools_start_is_on_disk_before_it_runs() -> None:
    seen: list[list[str]] = []

    class Witness(Stage):
        def play(self, verb: str):
            async def work(arguments, desk):
                seen.append([type(event).__name__ for event in await self.events()])
                return "ok"

            return work

    stage = Witness([asks([call("a")]), says("Ok.")])
    await stage.prepare(HELLO)
    await stage.resume()
    assert seen[0][-1] == ToolStarted.__name__
