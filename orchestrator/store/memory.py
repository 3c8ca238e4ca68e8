"""The journal in memory: the same promises as on disk but for outliving the process. For tests and trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestrator.errors import Conflict, Fenced, NotFound
from orchestrator.events import DurableEvent, LiveEvent, Recorded, TurnFinished, TurnStarted
from orchestrator.messages import text_of
from orchestrator.ports import Head, Hit, TurnRef
from orchestrator.store.searching import WORD, hit, saying

TITLE_LENGTH = 80


@dataclass
class _Claim:
    turn_id: str
    owner: str
    epoch: int = 1


@dataclass
class _Kept:
    created: datetime
    updated: datetime
    title: str = ""
    parent: str = ""
    turns: int = 0
    open: _Claim | None = None
    events: list[Recorded] = field(default_factory=list[Recorded])
    keys: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


class MemoryStore:
    """`ports.Store` that forgets everything with the process; `clock` dates what it records."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._kept: dict[str, _Kept] = {}
        self._clock = clock

    async def create(self, conversation_id: str) -> None:
        if conversation_id in self._kept:
            raise Conflict(f"There is a conversation {conversation_id} already.")
        now = self._clock()
        self._kept[conversation_id] = _Kept(created=now, updated=now)

    async def heads(self, limit: int = 50) -> list[Head]:
        newest = sorted(self._kept, key=lambda name: self._kept[name].updated, reverse=True)
        return [await self.head(name) for name in newest[:limit]]

    async def head(self, conversation_id: str) -> Head:
        kept = self._find(conversation_id)
        return Head(
            id=conversation_id,
            title=kept.title,
            created=kept.created,
            updated=kept.updated,
            turns=kept.turns,
            open_turn=kept.open.turn_id if kept.open else "",
            parent=kept.parent,
            owner=kept.open.owner if kept.open else "",
        )

    async def events(self, conversation_id: str, after: int = 0) -> list[Recorded]:
        return self._find(conversation_id).events[after:]

    async def begin(self, conversation_id: str, turn_id: str, owner: str, started: DurableEvent) -> Recorded:
        kept = self._find(conversation_id)
        if kept.open:
            raise Conflict(f"Conversation {conversation_id} has a turn that is not finished.", "Resume or cancel it.")
        kept.open = _Claim(turn_id, owner)
        kept.turns += 1
        if isinstance(started, TurnStarted):
            kept.title = kept.title or text_of(started.content)[:TITLE_LENGTH]
        return (await self.append(TurnRef(conversation_id, turn_id, epoch=1), [started]))[0]

    async def claim(self, conversation_id: str, turn_id: str, owner: str) -> TurnRef:
        claim = self._find(conversation_id).open
        if claim is None or claim.turn_id != turn_id:
            raise Conflict(f"Turn {turn_id} is over.")
        claim.epoch += 1
        claim.owner = owner
        return TurnRef(conversation_id, turn_id, claim.epoch)

    async def append(self, turn: TurnRef, events: Sequence[DurableEvent]) -> list[Recorded]:
        kept = self._find(turn.conversation_id)
        if kept.open is None or (kept.open.turn_id, kept.open.epoch) != (turn.turn_id, turn.epoch):
            raise Fenced(f"Turn {turn.turn_id} was taken over by another process, or is finished.")
        recorded: list[Recorded] = []
        for event in events:
            if (turn.turn_id, event.key) not in kept.keys:
                kept.keys.add((turn.turn_id, event.key))
                recorded.append(self._record(turn, kept, event))
            if isinstance(event, TurnFinished):
                kept.open = None
        return recorded

    async def search(self, text: str, limit: int = 20, results: bool = False) -> list[Hit]:
        words = [word.casefold() for word in WORD.findall(text)]
        if not words:
            return []
        found: list[Hit] = []
        for name, kept in self._kept.items():
            for recorded in kept.events:
                said = None if isinstance(recorded.event, LiveEvent) else saying(recorded.event)
                if said and (said[0] == "tool") is results and holds(said[1], words):
                    found.append(hit((name, kept.title, recorded.seq, *said)))
        return found[::-1][:limit]

    async def fork(self, conversation_id: str, new_id: str, upto: int) -> None:
        source = self._find(conversation_id)
        await self.create(new_id)
        target = self._kept[new_id]
        target.title, target.parent = source.title, conversation_id
        for recorded in source.events[:upto]:
            turn_id = f"{recorded.turn_id}.{new_id}"
            target.events.append(recorded.model_copy(update={"conversation_id": new_id, "turn_id": turn_id}))
            if not isinstance(recorded.event, LiveEvent):
                target.keys.add((turn_id, recorded.event.key))
            target.open = None if isinstance(recorded.event, TurnFinished) else _Claim(turn_id, "")
        target.turns = len({recorded.turn_id for recorded in target.events})

    async def delete(self, conversation_id: str) -> None:
        if self._find(conversation_id).open:
            raise Conflict(f"Conversation {conversation_id} has a turn that is not finished.", "Cancel it first.")
        del self._kept[conversation_id]

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _record(self, turn: TurnRef, kept: _Kept, event: DurableEvent) -> Recorded:
        kept.updated = self._clock()
        recorded = Recorded(
            conversation_id=turn.conversation_id,
            turn_id=turn.turn_id,
            seq=len(kept.events) + 1,
            at=kept.updated,
            event=event,
        )
        kept.events.append(recorded)
        return recorded

    def _find(self, conversation_id: str) -> _Kept:
        if conversation_id not in self._kept:
            raise NotFound(f"There is no conversation {conversation_id!r}.", "See `orchestrator conversations list`.")
        return self._kept[conversation_id]


def holds(said: str, words: Sequence[str]) -> bool:
    """Whether each of the words begins a word of what was said."""
    there = [word.casefold() for word in WORD.findall(said)]
    return all(any(one.startswith(word) for one in there) for word in words)
