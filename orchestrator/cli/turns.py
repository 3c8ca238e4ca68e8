"""One turn in front of the user: its events on the screen, its questions to whoever can answer them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from orchestrator.cli.asking import Asker, Decision, Granted
from orchestrator.cli.cleaning import clean
from orchestrator.cli.granting import NOTHING_STANDS, Standing
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.outcome import Outcome, Tally
from orchestrator.cli.screen import TAKEN_OVER, Screen
from orchestrator.cli.writer import Writer
from orchestrator.conversations import Conversations, Started
from orchestrator.errors import ConfigError, Conflict, Fenced
from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    QuestionAnswered,
    QuestionAsked,
    Recorded,
    ToolFinished,
    TurnFinished,
)

TICK = 0.2
"""Seconds between two pictures of the live region."""

RULE_PATIENCE = 1.0
"""Seconds that a rule, just given, has to answer the calls that it covers; then they are asked after all."""

Ask = ApprovalRequested | QuestionAsked


@dataclass(frozen=True)
class Stage:
    """Where turns are played: what they are shown on, and who decides."""

    conversations: Conversations
    writer: Writer
    asker: Asker
    granted: Granted
    interrupts: Interrupts
    denied: list[str]
    """Calls refused because nobody was there to ask, in this turn."""
    tap: Callable[[Recorded], None] | None = None
    """Gets every event as well."""
    standing: Standing = NOTHING_STANDS
    """The tools, and the rules that hold."""


async def play(stage: Stage, started: Started) -> Outcome:
    """Show the turn until it is over, answer what it asks, and return what became of it."""
    return await _Play(stage, started).run()


class _Play:
    def __init__(self, stage: Stage, started: Started) -> None:
        stage.denied.clear()
        self._stage = stage
        self._started = started
        self._screen = Screen(live=stage.writer.live)
        self._tally = Tally(started.conversation_id, started.turn_id, denied=stage.denied)
        self._settled: set[str] = set()  # ids of what was asked and is answered
        self._asking = ""
        self._news = anyio.Event()  # set when something is settled, and then another one
        self._asked: set[str] = set()  # ids of all calls that were asked about so far
        self._ruled: set[str] = set()  # ... when a rule was given: it may answer them as well
        self._asked_in = anyio.CancelScope()
        self._seq = started.seq  # the last durable event that was shown
        self._watching = anyio.CancelScope()

    async def run(self) -> Outcome:
        past = await self._stage.conversations.events(self._started.conversation_id)
        self._settled = {settles(recorded) for recorded in past} - {""}
        send, asks = anyio.create_memory_object_stream[Ask](1_000)
        self._stage.interrupts.begin_turn(self._stop)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._answer_all, asks)
                if self._stage.writer.live:
                    tasks.start_soon(self._redraw)
                with self._watching:
                    await self._watch(send)
                tasks.cancel_scope.cancel()
        finally:
            send.close()
            self._stage.interrupts.end_turn()
            self._stage.writer.close()
        return self._tally.outcome()

    async def _watch(self, asks: MemoryObjectSendStream[Ask]) -> None:
        """Show the turn up to its end, and pass on what it asks."""
        async with contextlib.aclosing(self._events()) as events:
            async for recorded in events:
                if isinstance(recorded.event, TurnFinished) and recorded.event.code == Fenced.code:
                    return await self._lost()
                self._show(recorded)
                if isinstance(recorded.event, Ask):
                    asks.send_nowait(recorded.event)

    async def _events(self) -> AsyncGenerator[Recorded]:
        """Yield the turn's events up to its end; a watcher that fell behind comes back and reads the journal."""
        while self._tally.end is None:
            async with self._stage.conversations.watch(self._started.conversation_id, self._seq) as events:
                async for recorded in events:
                    if recorded.turn_id != self._started.turn_id:
                        continue
                    yield recorded
                    if isinstance(recorded.event, TurnFinished):
                        return

    def _show(self, recorded: Recorded) -> None:
        self._seq = max(self._seq, recorded.seq)
        self._tally.feed(recorded)
        if self._stage.tap:
            self._stage.tap(recorded)
        if isinstance(recorded.event, ApprovalRequested):
            self._asked.add(recorded.event.call_id)
        if settled := settles(recorded):
            self._settled.add(settled)
            self._news.set()
            self._news = anyio.Event()
            if settled == self._asking:
                self._asked_in.cancel()
        self._stage.writer.write(self._screen.feed(recorded))

    async def _redraw(self) -> None:
        while True:
            self._stage.writer.draw_live(self._screen.live_rows(datetime.now(UTC)))
            await anyio.sleep(TICK)

    async def _answer_all(self, asks: MemoryObjectReceiveStream[Ask]) -> None:
        """Ask the user one thing after the other; what others answered meanwhile is not asked any more."""
        with asks:
            async for ask in asks:
                self._asking = ask.call_id if isinstance(ask, ApprovalRequested) else ask.question_id
                if await self._answered_meanwhile(ask):
                    continue
                with anyio.CancelScope() as self._asked_in:
                    await self._answer(ask)

    async def _answered_meanwhile(self, ask: Ask) -> bool:
        """Whether the question is answered; what a rule came to cover is given a moment to be."""
        if isinstance(ask, ApprovalRequested) and ask.call_id in self._ruled and self._stage.standing.allows(ask):
            with anyio.move_on_after(RULE_PATIENCE):
                while self._asking not in self._settled:
                    await self._news.wait()
        return self._asking in self._settled

    async def _answer(self, ask: Ask) -> None:
        """Ask, and record the answer; the turn may be over by then, or in the hands of another process."""
        while True:
            try:
                return await self._recorded(ask)
            except Conflict:
                return await self._lost()
            except ConfigError as unusable:  # the rule cannot be kept, so nothing is decided yet
                self._stage.writer.say(clean(str(unusable)), "problem")

    async def _recorded(self, ask: Ask) -> None:
        conversation_id, conversations = self._started.conversation_id, self._stage.conversations
        if isinstance(ask, ApprovalRequested):
            decision = await self._decided(ask)
            answer = decision.allowed, decision.note, decision.arguments, decision.rule, decision.by
            if decision.rule:
                self._ruled = set(self._asked)
            return await conversations.decide(conversation_id, ask.call_id, *answer)
        with self._stage.writer.held():
            reply = await self._stage.asker.answer(ask)
        action = "decline" if reply.values is None else "accept"
        return await conversations.answer(conversation_id, ask.question_id, action, reply.values or {})

    async def _decided(self, request: ApprovalRequested) -> Decision:
        if self._stage.granted.covers(request.tool):
            return Decision(True, by="automatic")
        with self._stage.writer.held():
            return await self._stage.asker.decide(request)

    async def _stop(self) -> None:
        """The first Ctrl-C."""
        self._stage.writer.say("Stopping… (Ctrl-C again leaves)", "note")
        try:
            await self._stage.conversations.cancel(self._started.conversation_id)
        except Conflict:
            await self._lost()

    async def _lost(self) -> None:
        """Say that another window took the turn over while this one was frozen, and show how it ended, if it has.

        What waits here for the user would wait for ever, so it is ended.
        """
        conversations, started = self._stage.conversations, self._started
        recorded = await conversations.events(started.conversation_id)
        if self._tally.end:  # it ended here, a moment ago
            return
        if conversations.engine:
            await conversations.engine.cancel(started.turn_id)
        missed = [one for one in recorded if one.turn_id == started.turn_id and one.seq > self._seq]
        if missed and isinstance(missed[-1].event, TurnFinished):
            self._stage.writer.say(f"{TAKEN_OVER} This is how it went on there:", "problem")
        else:
            lost = TurnFinished(reason="failed", detail=TAKEN_OVER, code=Fenced.code)
            missed = [recorded[-1].model_copy(update={"turn_id": started.turn_id, "event": lost})]
        for one in missed:
            self._show(one)
        self._watching.cancel()


def settles(recorded: Recorded) -> str:
    """Return the id of the question that this event settles, if it settles one."""
    match event := recorded.event:
        case ApprovalResolved() | ToolFinished():
            return event.call_id
        case QuestionAnswered():
            return event.question_id
        case _:
            return ""
