"""A small stage for turns: a store in memory, a scripted model, tools that are functions, and a gate that nods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import anyio
from pydantic import JsonValue

from orchestrator import turn
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversation import Conversation
from orchestrator.events import (
    DurableEvent,
    LiveEvent,
    QuestionAnswered,
    QuestionAsked,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Call, Message, Request, Result, Text, Tool
from orchestrator.models.scripted import Line, ScriptedModel, asks, says
from orchestrator.policy.limits import TurnLimits
from orchestrator.ports import Desk, Store, TurnRef, Verdict
from orchestrator.store.memory import MemoryStore
from orchestrator.tools.scripted import Play, ScriptedToolbox, offered

NO_LIMITS = TurnLimits()
HELLO = TurnStarted(content=(Text(text="hello"),))


def call(call_id: str, tool: str = "notes__write", **arguments: JsonValue) -> Call:
    return Call(id=call_id, tool=tool, arguments=arguments)


class NoddingGate:
    """Allows everything but the calls whose ids it was told to refuse."""

    def __init__(self, refuse: Iterable[str] = ()) -> None:
        self._refuse = set(refuse)

    async def allows(self, call: Call, tool: Tool) -> Verdict:
        return Verdict(False, "denied by the test.") if call.id in self._refuse else Verdict(True, "the test nods")


class QuietDesk:
    """Swallows what calls report, and declines what servers ask."""

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        pass

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        return QuestionAnswered(question_id=question.question_id, action="decline")


@dataclass
class Stage:
    """One conversation `c` with one turn `t`, and what its tools did."""

    script: Sequence[Line]
    store: Store = field(default_factory=MemoryStore)
    refuse: Iterable[str] = ()
    done: list[str] = field(default_factory=list[str])
    """The effects the tools had, in order: `write a`, `read b`."""
    limits: TurnLimits = NO_LIMITS

    def toolbox(self) -> ScriptedToolbox:
        return ScriptedToolbox(
            [
                (offered("notes__write"), self.play("write")),
                (offered("notes__read", read_only=True), self.play("read")),
            ]
        )

    def play(self, verb: str) -> Play:
        async def work(arguments: dict[str, JsonValue], desk: Desk) -> str | Result:
            self.done.append(f"{verb} {arguments.get('name', '')}")
            await anyio.lowlevel.checkpoint()
            return f"{verb} done"

        return work

    def crew(self, model: ScriptedModel) -> turn.Crew:
        def planned(conversation: Conversation, tools: tuple[Tool, ...]) -> Request:
            return plan(conversation, tools, ContextSettings(Choice("scripted")))

        return turn.Crew(
            model=model,
            toolbox=self.toolbox(),
            gate=NoddingGate(self.refuse),
            desk=QuietDesk(),
            plan=planned,
            limits=self.limits,
        )

    async def prepare(self, *events: DurableEvent) -> None:
        """Put the first events of a turn into the store, as a process left them that is no more."""
        await self.store.create("c")
        ref = await begun(self.store, "c", "t", events[0] if events else HELLO)
        await self.store.append(ref, events[1:])

    async def resume(self) -> Journal:
        """Run the open turn with a script that goes on where the journal is."""
        journal = await Journal.claim(self.store, LocalFeed(), "c", "t", "me")
        assert journal.conversation.turn is not None
        model = ScriptedModel(*self.script[journal.conversation.turn.steps :])
        await turn.run(journal, self.crew(model))
        return journal

    async def events(self) -> list[DurableEvent]:
        return [recorded.event for recorded in await self.store.events("c")]  # type: ignore[misc]


async def begun(store: Store, conversation_id: str, turn_id: str, first: DurableEvent = HELLO) -> TurnRef:
    """Begin a turn, and claim it as its only owner."""
    await store.begin(conversation_id, turn_id, "me", first)
    return await store.claim(conversation_id, turn_id, "me")


async def play(script: Sequence[Line], events: Sequence[DurableEvent] = (HELLO,), refuse: Iterable[str] = ()) -> Stage:
    """Run a turn to its end, beginning with `events` that are on disk already, and return the stage."""
    stage = Stage(script, refuse=refuse)
    await stage.prepare(*events)
    if not any(isinstance(event, TurnFinished) for event in events):
        await stage.resume()
    return stage


def breaches(messages: Sequence[Message]) -> list[str]:
    """Return how a history breaks the API's rules; nothing, if every call is answered in the next message."""
    found: list[str] = []
    for number, message in enumerate(messages):
        asked = [one.id for one in message.calls]
        following = messages[number + 1].content if number + 1 < len(messages) else ()
        answered = [block.call_id for block in following if isinstance(block, Result)]
        if asked and answered != asked:
            found.append(f"message {number} asks {asked}, the next one answers {answered}")
        if not asked and answered:
            found.append(f"message {number + 1} answers {answered}, which nobody asked")
        if not message.content:
            found.append(f"message {number} is empty")
    return found


def starts(events: Iterable[DurableEvent]) -> list[str]:
    """Return the ids of the calls that were started, in order."""
    return [event.call_id for event in events if isinstance(event, ToolStarted)]


__all__ = ["HELLO", "Stage", "asks", "begun", "breaches", "call", "play", "says", "starts"]
