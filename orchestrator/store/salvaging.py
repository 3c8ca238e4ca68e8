"""A damaged history, read event by event into a new file: what is broken is left out, and said to be lost.

Nothing is repeated: a turn that was open, or whose end is lost, is closed as failed, because a call of it may have run
without a trace.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import apsw
from pydantic import ValidationError

from orchestrator.errors import Conflict, NotFound, StoreError
from orchestrator.events import EVENT, DurableEvent, LiveEvent, TurnFinished, TurnStarted
from orchestrator.messages import Text, text_of
from orchestrator.store import migrating, rows
from orchestrator.store.pages import Pages, Record

LOST_BEGINNING = "(The beginning of this turn was lost when the history was damaged.)"
LOST_END = (
    "The end of this turn was lost when the history was damaged. Calls without a result may have had their effect."
)
TITLE_LENGTH = 80
EARLIEST, LATEST = 0.0, 253_000_000_000.0
"""Seconds since 1970 that are a time (until the year 9987); others are damaged."""


@dataclass(frozen=True)
class Loss:
    """What is missing of a conversation: how many events, and which numbers, first and last of each gap."""

    conversation_id: str
    events: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Salvaged:
    """What was read. `unreadable` counts records that nobody can tell any more where they belong."""

    conversations: tuple[str, ...]
    events: int
    losses: tuple[Loss, ...]
    unreadable: int


@dataclass(frozen=True)
class Found:
    """An event that could be read."""

    seq: int
    turn_id: str
    at: float
    event: DurableEvent


@dataclass
class _Wreck:
    """Everything that was found in the pages."""

    events: dict[str, dict[int, tuple[str, float, str]]] = field(
        default_factory=dict[str, dict[int, tuple[str, float, str]]]
    )
    blobs: dict[str, str] = field(default_factory=dict[str, str])
    heads: dict[str, tuple[str, int, str]] = field(default_factory=dict[str, tuple[str, int, str]])
    """Of each conversation: its title, the number of its last event, and the one it was forked from."""
    last: dict[str, int] = field(default_factory=dict[str, int])
    """Of each conversation: the greatest number that an index speaks of."""

    def sort(self, record: Record) -> None:
        """Keep a record where it belongs; most are of no interest here."""
        match record:
            case (str(name), int(seq), str(turn_id), str(), float() | int() as at, str(body)) if seq > 0:
                self.events.setdefault(name, {}).setdefault(seq, (turn_id, float(at), body))
            case (str(digest), str(body)) if hashlib.sha256(body.encode()).hexdigest() == digest:
                self.blobs[digest] = body
            case (str(name), str(title), float() | int(), float() | int(), int(seq), int(), str(parent), int()):
                self.heads[name] = (title, seq, parent)
                self.last[name] = max(seq, self.last.get(name, 0))
            case (str(), str(), str(name), int(seq)):
                self.last[name] = max(seq, self.last.get(name, 0))
            case _:
                pass

    def of(self, name: str) -> Iterator[Found]:
        """Return the events of a conversation that can be read, in their order."""
        before = 0.0
        for seq, (turn_id, at, body) in sorted(self.events.get(name, {}).items()):
            whole = self.blobs.get(body.removeprefix(rows.BLOB), "") if body.startswith(rows.BLOB) else body
            try:
                event = EVENT.validate_json(whole)
            except ValidationError:
                continue
            if not isinstance(event, LiveEvent):
                before = at if EARLIEST <= at <= LATEST else before
                yield Found(seq, turn_id, before, event)

    def gather(self) -> int:
        """Put events under a damaged name back to the rest of their turn; return how many had to be left out."""
        homes: dict[str, Counter[str]] = {}
        for name, events in self.events.items():
            for turn_id, _, _ in events.values():
                homes.setdefault(turn_id, Counter())[name] += 1
        strays = 0
        for turn_id, names in homes.items():
            home = max(names, key=lambda name: (name in self.heads, names[name]))
            for name in set(names) - {home}:
                strays += self._move(turn_id, name, home)
        self.events = {name: events for name, events in self.events.items() if events}
        return strays

    def _move(self, turn_id: str, name: str, home: str) -> int:
        moving = {seq: event for seq, event in self.events[name].items() if event[0] == turn_id}
        for seq in moving:
            del self.events[name][seq]
        there = self.events[home]
        left_out = sum(seq in there and there[seq] != event for seq, event in moving.items())
        self.events[home] = moving | there
        if not self.events[name] and name not in self.heads:
            self.last.pop(name, None)
        return left_out


def salvage(damaged: Path, target: Path) -> Salvaged:
    """Read what can be read of the history in `damaged` into the new file `target`.

    Raises `NotFound` if there is no such file, `Conflict` if `target` exists, `StoreError` if nothing can be read or
    the new file cannot be written. The damaged file is not changed.
    """
    if not damaged.is_file():
        raise NotFound(f"There is no file {damaged}.", "Name the damaged history, usually journal.db.")
    if target.exists():
        raise Conflict(f"{target} exists already.", "Name a file that does not.")
    try:
        wreck, unreadable = read(damaged)
        found = {name: seqs for name in sorted(wreck.events) if (seqs := [one.seq for one in wreck.of(name)])}
        if not found:
            raise StoreError(f"No event of a history can be read in {damaged}.", "Look for a copy of it.")
        target.parent.mkdir(parents=True, exist_ok=True)
        build(target, wreck, found)
    except (OSError, apsw.Error) as failure:
        raise StoreError(f"{damaged} cannot be salvaged into {target} ({failure}).", "Check both places.") from failure
    known = sorted({*wreck.last, *wreck.events})
    losses = [loss for name in known if (loss := lost(name, found.get(name, ()), wreck.last))]
    return Salvaged(tuple(found), sum(map(len, found.values())), tuple(losses), unreadable)


def build(target: Path, wreck: _Wreck, names: Iterable[str]) -> None:
    """Write the conversations into a new file, which is there as a whole or not at all."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    try:
        with closing(apsw.Connection(str(part))) as database:
            migrating.migrate(database)
            database.execute("begin")
            taken: set[str] = set()
            for name in names:
                write(database, name, list(wreck.of(name)), wreck, taken)
            database.execute("commit")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def read(damaged: Path) -> tuple[_Wreck, int]:
    """Return what the pages of the file hold, and how many records could not be read."""
    wreck = _Wreck()
    with closing(Pages(damaged)) as pages:
        for record in pages.records():
            wreck.sort(record)
        return wreck, pages.unreadable + wreck.gather()


def lost(name: str, seqs: Sequence[int], ends: Mapping[str, int]) -> Loss | None:
    """Return which numbers of a conversation are missing, up to the last that is known of."""
    last = max([ends.get(name, 0), *seqs])
    edges = itertools.pairwise([0, *seqs, last + 1])
    spans = tuple((before + 1, after - 1) for before, after in edges if after > before + 1)
    missing = sum(end - first + 1 for first, end in spans)
    return Loss(name, missing, spans) if missing else None


def write(database: apsw.Connection, name: str, found: Sequence[Found], wreck: _Wreck, taken: set[str]) -> None:
    """Write a conversation with its events, numbered anew without gaps; the ids of its turns are `taken` then."""
    title, _, parent = wreck.heads.get(name, (title_of(found), 0, ""))
    events = list(mended(found, taken))
    turns = dict.fromkeys(one.turn_id for one in events)
    head = (name, title, found[0].at, found[-1].at, len(events), len(turns), parent, 0)
    database.execute("insert into conversations values (?, ?, ?, ?, ?, ?, ?, ?)", head)
    for turn_id in turns:
        sql = "insert into turns (id, conversation_id, status, owner) values (?, ?, 'finished', '')"
        database.execute(sql, (turn_id, name))
    for seq, one in enumerate(events, 1):
        body = rows.stored(database, name, EVENT.dump_json(one.event).decode())
        row = (name, seq, one.turn_id, one.event.key, one.at, body)
        database.execute("insert into events values (?, ?, ?, ?, ?, ?)", row)
        rows.index(database, name, seq, one.event)


def title_of(found: Iterable[Found]) -> str:
    """Return the first words of the user."""
    said = (text_of(one.event.content) for one in found if isinstance(one.event, TurnStarted))
    return next((text for text in said if text), "")[:TITLE_LENGTH]


def mended(found: Iterable[Found], taken: set[str]) -> Iterator[Found]:
    """Return the events so that each turn has an id of its own, a beginning and an end, and says nothing twice."""
    for turn in turns(found):
        events = list({one.event.key: one for one in reversed(turn)}.values())[::-1]
        first, last = events[0], events[-1]
        names = itertools.chain([first.turn_id], (f"{first.turn_id}.{number}" for number in itertools.count(2)))
        own = next(name for name in names if name not in taken)
        taken.add(own)
        if not isinstance(first.event, TurnStarted):
            beginning = TurnStarted(content=(Text(text=LOST_BEGINNING),))
            yield Found(first.seq, own, first.at, beginning)
        yield from (replace(one, turn_id=own) for one in events)
        if not isinstance(last.event, TurnFinished):
            end = TurnFinished(reason="failed", detail=LOST_END, code=StoreError.code)
            yield Found(last.seq, own, last.at, end)


def turns(found: Iterable[Found]) -> Iterator[list[Found]]:
    """Return the events turn by turn."""
    turn: list[Found] = []
    for one in found:
        if turn and not goes_on(turn[-1], one):
            yield turn
            turn = []
        turn.append(one)
    if turn:
        yield turn


def goes_on(before: Found, one: Found) -> bool:
    """Whether both are of one turn: what follows upon an open turn without a gap is, even under a damaged id."""
    if isinstance(one.event, TurnStarted) or isinstance(before.event, TurnFinished):
        return False
    return one.turn_id == before.turn_id or one.seq == before.seq + 1
