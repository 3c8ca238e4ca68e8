from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest
from pydantic import JsonValue

from orchestrator import turn
from orchestrator.approvals import HumanDesk, HumanGate
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversations import Conversations, Started
from orchestrator.engine.local import LocalEngine
from orchestrator.errors import Conflict, ModelRejected, NotFound, StoreError, UsageError
from orchestrator.events import (
    ApprovalRequested,
    DurableEvent,
    LiveEvent,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    TextDelta,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.exporting import as_json, as_markdown
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Text
from orchestrator.models.scripted import Line, ScriptedModel, asks, says
from orchestrator.policy.rules import Policy, Rule
from orchestrator.ports import Desk, Model, Store, TurnRef
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore
from orchestrator.tools.scripted import ScriptedToolbox, offered
from tests.orchestrator.playing import call

pytestmark = pytest.mark.anyio

HELLO = (Text(text="hello"),)
Work = Callable[[dict[str, JsonValue], Desk], Awaitable[str]]


@dataclass
class House:
    conversations: Conversations
    model: ScriptedModel
    store: Store
    feed: LocalFeed

    async def ended(self, started: Started) -> list[DurableEvent | LiveEvent]:
        """Watch a turn to its end and return all that was seen."""
        return await self.seen(started, TurnFinished)

    async def seen(self, started: Started, last: type[object]) -> list[DurableEvent | LiveEvent]:
        found: list[DurableEvent | LiveEvent] = []
        with anyio.fail_after(30):
            async with self.conversations.watch(started.conversation_id, started.seq) as events:
                async for recorded in events:
                    found.append(recorded.event)
                    if isinstance(recorded.event, last):
                        break
        return found


@asynccontextmanager
async def house(
    *script: Line,
    work: Work | None = None,
    policy: Policy | None = None,
    store: Store | None = None,
    model: Model | None = None,
) -> AsyncGenerator[House]:
    async def done(arguments: dict[str, JsonValue], desk: Desk) -> str:
        return "done"

    toolbox = ScriptedToolbox(
        [(offered("notes__write"), work or done), (offered("notes__read", read_only=True), work or done)]
    )
    scripted, kept, feed = ScriptedModel(*script), store or MemoryStore(), LocalFeed()
    given: list[Rule] = []
    rules = policy or Policy(trusted=frozenset({"notes"}))

    def crew(journal: Journal) -> turn.Crew:
        return turn.Crew(
            model=model or scripted,
            toolbox=toolbox,
            gate=HumanGate(journal, lambda: replace(rules, rules=(*rules.rules, *given)), toolbox),
            desk=HumanDesk(journal),
            plan=lambda conversation, tools: plan(conversation, tools, ContextSettings(Choice("claude-opus-5-5"))),
        )

    conversations = Conversations(kept, feed, crew, keep=given.append)
    async with anyio.create_task_group() as tasks:
        conversations.engine = LocalEngine(tasks, conversations.run_turn)
        yield House(conversations, scripted, kept, feed)
        tasks.cancel_scope.cancel()


async def test_a_watcher_sees_a_turn_from_its_first_event_to_its_last_each_once() -> None:
    async with house(says("Hi there.")) as one:
        started = await one.conversations.start_turn(HELLO)
        events = await one.ended(started)
    assert [type(event).__name__ for event in events if not event.live] == [
        "TurnStarted",
        "StepFinished",
        "TurnFinished",
    ]


async def test_a_watcher_that_comes_late_gets_the_same_recorded_events() -> None:
    async with house(says("Hi there.")) as one:
        started = await one.conversations.start_turn(HELLO)
        first = await one.ended(started)
        late = await one.ended(started)
    assert late == [event for event in first if not event.live]
    assert not any(isinstance(event, TextDelta) for event in late)


@pytest.mark.parametrize("content", [(), (Text(text=""),), (Text(text=" \n\t"),)])
async def test_an_empty_message_is_refused_without_a_request(content: tuple[Text, ...]) -> None:
    async with house(says("never")) as one:
        with pytest.raises(UsageError, match="empty"):
            await one.conversations.start_turn(content)
        assert await one.conversations.heads() == []
        assert one.model.requests == []


async def test_what_could_not_be_read_again_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "journal.db")
    async with house(asks([call("a")]), says("Ok."), store=store) as one:
        with pytest.raises(UsageError, match="half a character"):
            await one.conversations.start_turn((Text(text="half \udcff a character"),))
        assert await one.conversations.heads() == []
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, ApprovalRequested)
        with pytest.raises(UsageError):
            await one.conversations.decide(started.conversation_id, "a", allowed=False, note="\udcff")
        with pytest.raises(UsageError):
            await one.conversations.decide(started.conversation_id, "a", True, arguments={"x": float("inf")})
        await one.conversations.decide(started.conversation_id, "a", allowed=True)
        assert (await one.ended(started))[-1] == TurnFinished(reason="done")
        for number in (0, -1):
            with pytest.raises(UsageError, match="counted from 1"):
                await one.conversations.fork(started.conversation_id, number)
        copy = await one.conversations.fork(started.conversation_id, 10**30)
        assert len(await one.conversations.events(copy)) == len(await one.conversations.events(started.conversation_id))
    await store.close()


async def test_a_call_that_no_rule_allows_waits_for_a_human_and_then_runs() -> None:
    async with house(asks([call("a")]), says("Ok.")) as one:
        started = await one.conversations.start_turn(HELLO)
        asked = (await one.seen(started, ApprovalRequested))[-1]
        assert isinstance(asked, ApprovalRequested)
        assert "no rule allows it" in asked.why
        await one.conversations.decide(started.conversation_id, "a", allowed=True)
        events = await one.ended(started)
    assert [event.why for event in events if isinstance(event, ToolStarted)] == ["allowed by the user"]


async def test_a_refusal_reaches_the_model_with_the_users_words_and_nothing_runs() -> None:
    async with house(asks([call("a")]), says("Ok.")) as one:
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, ApprovalRequested)
        await one.conversations.decide(started.conversation_id, "a", allowed=False, note="use the other file")
        events = await one.ended(started)
        told = one.model.requests[-1].messages[-1].content[0]
    assert not any(isinstance(event, ToolStarted) for event in events)
    assert "use the other file" in str(told)


async def test_a_reading_tool_of_a_trusted_server_runs_unasked() -> None:
    async with house(asks([call("a", "notes__read")]), says("Ok.")) as one:
        events = await one.ended(await one.conversations.start_turn(HELLO))
    assert not any(isinstance(event, ApprovalRequested) for event in events)
    assert "trusted" in next(event.why for event in events if isinstance(event, ToolStarted))


async def test_a_decision_outlives_the_process_that_asked() -> None:
    store = MemoryStore()
    async with house(asks([call("a")]), store=store) as one:
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, ApprovalRequested)
    async with house(says("Ok."), store=store) as other:
        await other.conversations.decide(started.conversation_id, "a", allowed=True)
        events = await other.ended(started)
    assert [event for event in events if isinstance(event, TurnFinished)] == [TurnFinished(reason="done")]
    assert len([event for event in events if isinstance(event, ApprovalRequested)]) == 1


async def test_a_decision_made_while_a_resumed_turn_is_being_claimed_does_not_take_the_claim_away() -> None:
    store = SlowStore()
    async with house(asks([call("a")]), store=store) as one:
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, ApprovalRequested)
    async with house(says("Ok."), store=store) as other:
        await other.conversations.resume(started.conversation_id)
        await other.conversations.decide(started.conversation_id, "a", allowed=True)
        events = await other.ended(started)
    assert [event for event in events if isinstance(event, TurnFinished)] == [TurnFinished(reason="done")]


class SlowStore(MemoryStore):
    """Lets everybody else go first while it reads."""

    async def events(self, conversation_id: str, after: int = 0) -> list[Recorded]:
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        return await super().events(conversation_id, after)


async def test_cancelling_stops_the_call_and_answers_it_for_the_model() -> None:
    running = anyio.Event()

    async def forever(arguments: dict[str, JsonValue], desk: Desk) -> str:
        running.set()
        await anyio.sleep_forever()
        return "never"

    async with house(asks([call("a"), call("b", "notes__read")]), work=forever) as one:
        started = await one.conversations.start_turn(HELLO)
        with anyio.fail_after(30):
            await running.wait()
        await one.conversations.cancel(started.conversation_id)
        events = await one.ended(started)
        assert [event.reason for event in events if isinstance(event, TurnFinished)] == ["cancelled"]
        with pytest.raises(Conflict):
            await one.conversations.cancel(started.conversation_id)
        await one.ended(await one.conversations.start_turn(HELLO, started.conversation_id))
        results = one.model.requests[-1].messages[2].content
    assert ["not run" in str(result) or "cancelled" in str(result) for result in results] == [True, True]


async def test_a_failed_turn_keeps_the_message_and_resuming_asks_again() -> None:
    async with house(ModelRejected("No.", "Change it."), says("Now.")) as one:
        started = await one.conversations.start_turn(HELLO)
        last = (await one.ended(started))[-1]
        assert last == TurnFinished(reason="failed", detail="No. Change it.", code="model_rejected")
        again = await one.conversations.resume(started.conversation_id)
        assert again is not None
        events = await one.ended(again)
        assert events[0] == TurnStarted()
        assert one.model.requests[0].messages == one.model.requests[1].messages
        assert await one.conversations.resume(started.conversation_id) is None


async def test_a_bug_in_a_tool_room_ends_the_turn_instead_of_hanging_it() -> None:
    async def broken(arguments: dict[str, JsonValue], desk: Desk) -> str:
        raise RuntimeError("a bug")

    async with house(asks([call("a", "notes__read")]), work=broken) as one:
        last = (await one.ended(await one.conversations.start_turn(HELLO)))[-1]
    assert isinstance(last, TurnFinished)
    assert (last.reason, last.code) == ("failed", "bug")


async def test_a_question_of_a_server_is_answered_through_the_journal() -> None:
    answers: list[QuestionAnswered] = []

    async def asking(arguments: dict[str, JsonValue], desk: Desk) -> str:
        question = QuestionAsked(question_id="q", server="notes", text="Sure?")
        answers.append(await desk.ask(question))
        return "ok"

    async with house(asks([call("a", "notes__read")]), says("Ok."), work=asking) as one:
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, QuestionAsked)
        await one.conversations.answer(started.conversation_id, "q", "accept", {"sure": True})
        events = await one.ended(started)
    assert answers == [QuestionAnswered(question_id="q", action="accept", values={"sure": True})]
    assert any(isinstance(event, ToolFinished) for event in events)


async def test_who_was_taken_over_stops_and_its_watchers_are_told() -> None:
    store = MemoryStore()
    running, go_on = anyio.Event(), anyio.Event()

    async def slow(arguments: dict[str, JsonValue], desk: Desk) -> str:
        running.set()
        await go_on.wait()
        return "late"

    async with house(asks([call("a", "notes__read")]), work=slow, store=store) as one:
        started = await one.conversations.start_turn(HELLO)
        with anyio.fail_after(30):
            await running.wait()
        await store.claim(started.conversation_id, started.turn_id, "another")
        go_on.set()
        last = (await one.ended(started))[-1]
    assert isinstance(last, TurnFinished)
    assert last.code == "fenced"
    assert not any(isinstance(one.event, ToolFinished) for one in await store.events(started.conversation_id))


async def test_a_turn_whose_history_is_gone_or_damaged_takes_no_other_with_it() -> None:
    class Broken(MemoryStore):
        """Loses one conversation, and cannot read another."""

        async def claim(self, conversation_id: str, turn_id: str, owner: str) -> TurnRef:
            if conversation_id == gone.conversation_id:
                raise NotFound("It was deleted.")
            return await super().claim(conversation_id, turn_id, owner)

        async def events(self, conversation_id: str, after: int = 0) -> list[Recorded]:
            if conversation_id == damaged.conversation_id and not after:
                raise StoreError("It is damaged.")
            return await super().events(conversation_id, after)

    gone = damaged = Started("", "", 0)
    async with house(says("Hi."), store=Broken()) as one:
        gone = await one.conversations.start_turn(HELLO)
        damaged = await one.conversations.start_turn(HELLO)
        async with one.conversations.watch(damaged.conversation_id, 1) as events:
            with anyio.fail_after(30):
                end = (await anext(events)).event
        assert isinstance(end, TurnFinished)
        assert (end.reason, end.code) == ("failed", "store")
        fine = await one.ended(await one.conversations.start_turn(HELLO))
    assert fine[-1] == TurnFinished(reason="done")


async def test_a_conversation_is_found_by_its_id_the_beginning_of_it_or_as_the_last() -> None:
    async with house(says("1"), says("2")) as one:
        first = (await one.conversations.start_turn(HELLO)).conversation_id
        second = (await one.conversations.start_turn(HELLO)).conversation_id
        assert (await one.conversations.find(first)).id == first
        assert (await one.conversations.find(first[:-1])).id == first
        assert (await one.conversations.find("last")).id in {first, second}
        with pytest.raises(NotFound, match="begin with"):
            await one.conversations.find("c_")
        with pytest.raises(NotFound, match="no conversation"):
            await one.conversations.find("nothing")


async def test_a_fork_of_a_running_turn_ends_there_and_can_be_talked_to() -> None:
    async with house(asks([call("a")]), says("Ok."), says("Elsewhere.")) as one:
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, ApprovalRequested)
        copy = await one.conversations.fork(started.conversation_id)
        assert (await one.conversations.find(copy)).open_turn == ""
        await one.conversations.decide(started.conversation_id, "a", allowed=True)
        await one.ended(started)
        events = await one.ended(await one.conversations.start_turn(HELLO, copy))
    assert events[-1] == TurnFinished(reason="done")
    assert "not run" in str(one.model.requests[-1].messages[2])


async def test_what_was_said_is_found_across_conversations() -> None:
    async with house(says("Assam it is."), says("Sencha it is.")) as one:
        await one.ended(await one.conversations.start_turn(HELLO))
        second = await one.conversations.start_turn(HELLO)
        await one.ended(second)
        hits = await one.conversations.search("sencha")
    assert [(hit.conversation_id, hit.kind) for hit in hits] == [(second.conversation_id, "assistant")]


async def test_a_conversation_becomes_a_document_for_machines_and_one_for_people() -> None:
    async with house(asks([call("a", "notes__read", name="```x```")], "I look."), says("Ok.")) as one:
        started = await one.conversations.start_turn((Text(text="What is in it?\nTell me all."),))
        await one.ended(started)
        events = await one.conversations.events(started.conversation_id)
    document = json.loads(as_json(events))
    assert [Recorded(conversation_id=document["id"], **event) for event in document["events"]] == events
    text = as_markdown(events)
    assert text.startswith("## What is in it?\n\nTell me all.\n\nI look.\n\n**notes__read**")
    assert text.count("```\ndone\n```") == 1
    assert as_markdown([]) == "\n"


async def test_a_watcher_that_is_too_slow_is_cut_off_and_the_others_are_not() -> None:
    feed = LocalFeed()
    async with feed.watch("c") as slow, feed.watch("c") as other:
        for number in range(20_001):
            feed.publish(delta(number))
            if number % 5_000 == 4_999:
                for _ in range(5_000):
                    await anext(other)
        with anyio.fail_after(30):
            seen = [one async for one in slow]
    assert len(seen) == 10_000


def delta(number: int) -> Recorded:
    return Recorded.model_validate(
        {
            "conversation_id": "c",
            "turn_id": "t",
            "seq": 1,
            "at": "2026-01-01T00:00:00Z",
            "event": {"type": "text_delta", "text": str(number)},
        }
    )
