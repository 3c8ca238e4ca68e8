"""Conversations to be replayed, made by the real loop on a scripted stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from orchestrator import turn
from orchestrator.conversations import failed_by
from orchestrator.errors import ModelCut, OrchestratorError
from orchestrator.events import (
    EVENT,
    DurableEvent,
    LiveEvent,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    TurnEnd,
    TurnFinished,
    TurnStarted,
)
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Answer, Call, Message, Text, Usage
from orchestrator.models.scripted import Line, ScriptedModel, asks, says
from orchestrator.policy.limits import TurnLimits
from orchestrator.replaying.cassette import Cassette, recorded
from orchestrator.store.memory import MemoryStore
from tests.orchestrator.playing import Stage, begun, call


@dataclass(frozen=True)
class TurnPlan:
    """How a turn goes: what the model says, what is refused, where it is cut, and what happens there."""

    script: Sequence[Line]
    refuse: frozenset[str] = frozenset()
    limits: TurnLimits = field(default_factory=TurnLimits)
    cut: int = 1_000
    """How many events there are before something happens."""
    end: TurnFinished | None = None
    """What happens there; None is a crash, after which another process goes on."""
    content: tuple[Text, ...] = (Text(text="hello"),)


@dataclass(frozen=True)
class DecliningDesk:
    """Asks in the journal, as people are asked, and answers there that it would rather not."""

    journal: Journal

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        await self.journal.emit(event)

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        answer = QuestionAnswered(question_id=question.question_id, action="decline")
        await self.journal.emit(question)
        await self.journal.emit(answer)
        return answer


async def taped(*plans: TurnPlan) -> Cassette:
    """Run these turns one after the other and return what was recorded."""
    store = MemoryStore()
    await store.create("c")
    for number, plan in enumerate(plans):
        rehearsal = await store_with(store)
        events = await run(rehearsal, plan, f"t{number}", [])
        await run(store, plan, f"t{number}", events[: max(1, plan.cut)])
    return recorded("c", await store.events("c"))


async def store_with(store: MemoryStore) -> MemoryStore:
    """Return a copy of the store."""
    copy = MemoryStore()
    await copy.create("c")
    turns = dict.fromkeys(one.turn_id for one in await store.events("c"))
    for turn_id in turns:
        first, *rest = [one.event for one in await store.events("c") if one.turn_id == turn_id]
        await copy.append(await begun(copy, "c", turn_id, first), rest)  # type: ignore[arg-type]
    return copy


async def run(store: MemoryStore, plan: TurnPlan, turn_id: str, before: Sequence[DurableEvent]) -> list[DurableEvent]:
    """Run a turn that has come as far as `before`, and return all its events."""
    first, *rest = before or [TurnStarted(content=plan.content)]
    await store.append(await begun(store, "c", turn_id, first), rest)
    stage = Stage(plan.script, store=store, refuse=plan.refuse, limits=plan.limits)
    if (await store.head("c")).open_turn:
        journal = await Journal.claim(store, LocalFeed(), "c", turn_id, "me")
        if before and plan.end:
            await journal.emit(plan.end)
        else:
            steps = journal.conversation.turn.steps if journal.conversation.turn else 0
            try:
                crew = stage.crew(ScriptedModel(*plan.script[steps:]))
                await turn.run(journal, replace(crew, desk=DecliningDesk(journal)))
            except OrchestratorError as error:
                await journal.emit(failed_by(error))
    return [one.event for one in await store.events("c") if one.turn_id == turn_id]  # type: ignore[misc]


TOOLS = st.sampled_from(["notes__write", "notes__read", "notes__burn"])
NAMES = st.sampled_from(["one", "two"])


@st.composite
def plans(draw: st.DrawFn) -> TurnPlan:
    """Turns of all kinds."""
    steps: list[Line] = []
    ids: list[str] = []
    for number in range(draw(st.integers(0, 4))):
        tools = draw(st.lists(st.tuples(TOOLS, NAMES), max_size=4))
        calls = [call(f"s{number}n{place}", tool, name=name) for place, (tool, name) in enumerate(tools)]
        ids += [one.id for one in calls]
        steps.append(asks(calls, draw(st.sampled_from(["", "Let me see."]))))
    steps.append(draw(st.sampled_from(LAST)))
    reasons: list[TurnEnd] = ["cancelled", "failed", "limit"]
    end = st.sampled_from([TurnFinished(reason=reason, code="x") for reason in reasons])
    return TurnPlan(
        script=steps,
        refuse=frozenset(draw(st.sets(st.sampled_from(ids), max_size=2)) if ids else ()),
        limits=TurnLimits(steps=draw(st.sampled_from([2, 50])), calls=draw(st.sampled_from([3, 500]))),
        cut=draw(st.integers(1, 30)),
        end=draw(st.none() | end),
    )


def stopped(stop: str, *calls: Call) -> Answer:
    """Return an answer that ends for this reason."""
    message = Message(role="assistant", content=(Text(text="I"), *calls))
    return Answer(message=message, stop=stop, usage=Usage(output_tokens=1), model="m")  # type: ignore[arg-type]


LAST = (
    says("All done."),
    says("All done.").model_copy(update={"message": Message(role="assistant", content=())}),
    stopped("length", call("cut")),
    stopped("refused"),
    stopped("window"),
    stopped("unknown"),
    ModelCut("The answer broke off."),
)


def changed(cassette: Cassette, seq: int, **fields: object) -> Cassette:
    """Return the cassette with one event tampered with."""

    def one(recorded: Recorded) -> Recorded:
        if recorded.seq != seq:
            return recorded
        event = EVENT.validate_python(recorded.event.model_dump() | fields)
        return recorded.model_copy(update={"event": event})

    return Cassette(cassette.conversation_id, tuple(map(one, cassette.events)))
