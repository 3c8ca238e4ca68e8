"""Ask another model what the user of a cassette asked, with the tools answering as they did."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, replace

from orchestrator import turn
from orchestrator.conversations import Conversations
from orchestrator.events import Recorded, StepFinished, TurnFinished, TurnStarted
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Call, Tool, text_of
from orchestrator.replaying.cassette import Cassette
from orchestrator.replaying.players import CassetteDesk, CassetteToolbox, OpenGate
from orchestrator.store.memory import MemoryStore


@dataclass(frozen=True)
class Told:
    """What came of a turn: the calls that the model asked for, its last words, and how it ended."""

    calls: tuple[Call, ...]
    text: str
    ended: TurnFinished | None

    @property
    def substance(self) -> tuple[object, ...]:
        """All of it but the ids, which differ whenever a model is asked."""
        calls = tuple((call.tool, call.arguments) for call in self.calls)
        return calls, self.text, self.ended.reason if self.ended else ""


@dataclass(frozen=True)
class Asked:
    """A turn then and now."""

    question: str
    then: Told
    now: Told

    @property
    def changed(self) -> bool:
        """Whether other calls were made, or other words said."""
        return self.then.substance != self.now.substance


async def asked_again(
    cassette: Cassette, model: str, crew: Callable[[Journal], turn.Crew], tools: Callable[[], tuple[Tool, ...]]
) -> AsyncGenerator[Asked]:
    """Give each turn of the cassette, after `model` (a name or a kind) has been asked the same in a new conversation.

    `crew` says who takes part beside the cassette: the model, the plan and the limits are its. `tools` are offered.
    """
    store = MemoryStore()
    toolbox = CassetteToolbox(cassette.calls, tools)
    desk = CassetteDesk(cassette)

    def recast(journal: Journal) -> turn.Crew:
        return replace(crew(journal), toolbox=toolbox, gate=OpenGate(), desk=desk, start_seconds=0.0)

    conversations = Conversations(store, LocalFeed(), recast, "replay")
    await store.create(cassette.conversation_id)
    for turn_id, first, then in questions(cassette):
        begun = first.model_copy(update={"model": model})
        await store.begin(cassette.conversation_id, turn_id, "replay", begun)
        await conversations.run_turn(cassette.conversation_id, turn_id)
        now = [one for one in await store.events(cassette.conversation_id) if one.turn_id == turn_id]
        yield Asked(text_of(first.content), told(then), told(now))


def questions(cassette: Cassette) -> list[tuple[str, TurnStarted, list[Recorded]]]:
    """Return the turns in which the user said something, each with the events of those that only went on with it."""
    found: list[tuple[str, TurnStarted, list[Recorded]]] = []
    for tape in cassette.tapes:
        first = tape.events[0].event
        if isinstance(first, TurnStarted) and first.content:
            found.append((tape.turn_id, first, []))
        if found:
            found[-1][2].extend(tape.events)
    return found


def told(events: Iterable[Recorded]) -> Told:
    """Return what came of a turn."""
    bodies = [recorded.event for recorded in events]
    steps = [event for event in bodies if isinstance(event, StepFinished)]
    calls = tuple(call for step in steps if step.stop == "calls" for call in step.message.calls)
    ended = next((event for event in reversed(bodies) if isinstance(event, TurnFinished)), None)
    return Told(calls, steps[-1].message.text if steps else "", ended)
