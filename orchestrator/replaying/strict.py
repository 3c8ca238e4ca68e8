"""Play a cassette through the real loop, with nothing but the cassette, and see whether the same journal comes out."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import anyio
import anyio.lowlevel

from orchestrator import turn
from orchestrator.approvals import HumanDesk
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversation import Conversation, fold
from orchestrator.errors import Conflict, ModelError
from orchestrator.events import (
    EVENT,
    ApprovalResolved,
    DurableEvent,
    LiveEvent,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    ToolFinished,
    TurnFinished,
    TurnStarted,
)
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.policy.limits import GO_ON, TurnLimits
from orchestrator.ports import TurnRef
from orchestrator.replaying.cassette import Cassette, Tape
from orchestrator.replaying.players import CassetteGate, CassetteModel, CassetteToolbox
from orchestrator.store.memory import MemoryStore

AS_RECORDED = TurnLimits(steps=10**9, calls=10**9)
"""The limits of then are not known; a turn that one of them ended is ended by the tape."""
SETTINGS = ContextSettings(Choice("recorded"))
ROUNDS = 200
"""How often the event loop goes round without an event before we say that nothing will come any more."""


@dataclass(frozen=True)
class Difference:
    """The first event that is not as it was: what was recorded, and what came instead (None: nothing)."""

    seq: int
    recorded: Recorded | None
    replayed: DurableEvent | LiveEvent | None
    why: str = ""


class PacedJournal(Journal):
    """A journal that takes each event in its recorded place only, and adds by itself what came from outside.

    Durations are the recorded ones. At the first difference, or at the end of the tape, `scope` is cancelled.
    """

    def __init__(
        self, store: MemoryStore, turn: TurnRef, conversation: Conversation, tape: Tape, scope: anyio.CancelScope
    ) -> None:
        super().__init__(store, LocalFeed(), turn, conversation)
        self.difference: Difference | None = None
        self._tape = tape
        self._scope = scope
        self._early: list[DurableEvent] = []
        self._due: defaultdict[int, anyio.Event] = defaultdict(anyio.Event)

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        """Record the event once its turn has come. Does not return if it is another one than was recorded."""
        if isinstance(event, LiveEvent):
            return
        place = self._tape.places.get(event.key)
        self._early.append(event)
        if place is None:
            await anyio.sleep_forever()  # until nothing else happens, and it is the difference
            return
        await self._due[place.seq].wait()
        self._early.remove(event)
        event = as_long_as(event, place)
        if EVENT.dump_json(event) != EVENT.dump_json(place.event):
            await self.stop(Difference(place.seq, place, event))
        await super().emit(event)
        await self.add_outside()

    async def add_outside(self) -> None:
        """Add what follows on the tape and was not the loop's doing; at the end of the tape, stop."""
        while (following := self._tape.after(self.conversation.seq)) and outside(following.event):
            assert not isinstance(following.event, LiveEvent)
            await super().emit(following.event)
        if following is None:
            await self.stop(None)
        self._due[self.conversation.seq + 1].set()

    async def stop(self, difference: Difference | None) -> None:
        """Say how it ended, and end it."""
        self.difference = difference
        self._scope.cancel()
        await anyio.sleep_forever()

    async def missed(self, why: str) -> None:
        """Stop because the next recorded event does not come, but perhaps another one."""
        following = self._tape.after(self.conversation.seq)
        instead = self._early[0] if self._early else None
        await self.stop(Difference(self.conversation.seq + 1, following, instead, why))

    async def notice_standstill(self) -> None:
        """Stop when nothing happens any more. Nothing here waits for the world, so a few rounds are proof."""
        seen = -1
        while seen != self.conversation.seq:
            seen = self.conversation.seq
            for _ in range(ROUNDS):
                await anyio.lowlevel.checkpoint()
        await self.missed("the turn waits for something that the recording does not have")


async def replay(cassette: Cassette) -> Difference | None:
    """Run every turn again; None if the journal is the same to the byte, times included."""
    if not cassette.events:
        return None
    times = chain([cassette.events[0].at], (recorded.at for recorded in cassette.events))
    store = MemoryStore(lambda: next(times, cassette.events[-1].at))
    await store.create(cassette.conversation_id)
    for tape in cassette.tapes:
        if difference := await replay_turn(store, cassette.conversation_id, tape):
            return difference
    return compared(cassette.events, await store.events(cassette.conversation_id))


async def replay_turn(store: MemoryStore, conversation_id: str, tape: Tape) -> Difference | None:
    """Run one turn again, after the ones before it."""
    first = tape.events[0]
    if not isinstance(first.event, TurnStarted):
        return Difference(first.seq, first, None, "a turn begins with `turn_started`")
    try:
        await store.begin(conversation_id, tape.turn_id, "replay", first.event)
    except Conflict:
        return Difference(first.seq, first, None, "the turn before it has no end")
    claim = await store.claim(conversation_id, tape.turn_id, "replay")
    before = fold(conversation_id, await store.events(conversation_id))
    scope = anyio.CancelScope()
    journal = PacedJournal(store, claim, before, tape, scope)
    with scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(journal.notice_standstill)
            await journal.add_outside()
            try:
                await turn.run(journal, crew(journal, tape))
            except ModelError as error:
                await journal.missed(error.message)
            await journal.missed("the turn has ended")
    return journal.difference


def crew(journal: Journal, tape: Tape) -> turn.Crew:
    """Return who takes part: the cassette in every part but the loop, the journal and the desk."""
    return turn.Crew(
        model=CassetteModel(tape.answers),
        toolbox=CassetteToolbox(tuple(tape.calls.values())),
        gate=CassetteGate(tape.calls, journal.emit),
        desk=HumanDesk(journal),
        plan=lambda conversation, tools: plan(conversation, tools, SETTINGS),
        limits=AS_RECORDED,
    )


def outside(event: DurableEvent | LiveEvent) -> bool:
    """Whether somebody else than the loop brought the event about: a person, a server, a failure, a limit of then."""
    match event:
        case ApprovalResolved() | QuestionAnswered():
            return True
        case QuestionAsked():
            return not event.question_id.startswith(GO_ON)
        case TurnFinished():
            limit = event.reason == "limit" and event.code != "no_progress"
            return limit or event.reason == "cancelled" or (event.reason == "failed" and bool(event.code))
        case _:
            return False


def as_long_as(event: DurableEvent, place: Recorded) -> DurableEvent:
    """Return the event as if it had taken as long as then."""
    if isinstance(event, ToolFinished) and isinstance(place.event, ToolFinished):
        return event.model_copy(update={"seconds": place.event.seconds})
    return event


def compared(then: tuple[Recorded, ...], now: list[Recorded]) -> Difference | None:
    """Return the first place where two journals are not the same to the byte."""
    for number, (one, other) in enumerate(zip_longest(then, now), 1):
        if one is None or other is None or one.model_dump_json() != other.model_dump_json():
            why = "its place in the journal is another" if one and other and one.event == other.event else ""
            return Difference(number, one, other.event if other else None, why)
    return None


def as_shown(event: DurableEvent | LiveEvent | None) -> dict[str, Any] | None:
    """Return an event as the JSON object that the journal holds."""
    return None if event is None else json.loads(EVENT.dump_json(event))
