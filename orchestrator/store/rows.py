"""Between events and the rows of SQLite: numbering, large bodies apart, the search index beside."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import apsw
from pydantic import ValidationError

from orchestrator.errors import NotFound
from orchestrator.events import EVENT, DurableEvent, Recorded, TurnFinished
from orchestrator.ports import Head, TurnRef
from orchestrator.store.searching import saying

LARGE = 256 * 1024
"""Bodies above this many characters are kept once, by their hash; the event's row stays small."""
BLOB = "blob:"

HEAD = """
select c.id, c.title, c.created, c.updated, c.turns, coalesce(t.id, ''), c.parent, coalesce(t.owner, '')
from conversations c left join turns t on t.conversation_id = c.id and t.status = 'open'
"""
EVENTS = """
select e.seq, e.turn_id, e.at, coalesce(b.body, e.body)
from events e left join blobs b on b.hash = iif(substr(e.body, 1, 5) = 'blob:', substr(e.body, 6), null)
where e.conversation_id = ? and e.seq > ? order by e.seq
"""


def insert(db: apsw.Connection, turn: TurnRef, events: Sequence[DurableEvent]) -> list[Recorded]:
    """Number and store the events that are new; the turn's end, the index and the list of conversations follow suit."""
    at = time.time()
    seq = int(db.execute("select seq from conversations where id = ?", (turn.conversation_id,)).get)
    recorded: list[Recorded] = []
    for event in events:
        sql = "insert into events values (?, ?, ?, ?, ?, ?) on conflict (turn_id, key) do nothing returning seq"
        body = stored(db, turn.conversation_id, EVENT.dump_json(event).decode())
        if db.execute(sql, (turn.conversation_id, seq + 1, turn.turn_id, event.key, at, body)).get:
            seq += 1
            recorded.append(record(turn, seq, at, event))
            index(db, turn.conversation_id, seq, event)
        if isinstance(event, TurnFinished):
            db.execute("update turns set status = 'finished' where id = ?", (turn.turn_id,))
    db.execute("update conversations set seq = ?, updated = ? where id = ?", (seq, at, turn.conversation_id))
    return recorded


def stored(db: apsw.Connection, conversation_id: str, body: str) -> str:
    """Return what stands in the event's row: the body, or where it is kept if it is large."""
    if len(body) <= LARGE:
        return body
    name = hashlib.sha256(body.encode()).hexdigest()
    db.execute("insert or ignore into blobs values (?, ?)", (name, body))
    db.execute("insert or ignore into blob_uses values (?, ?)", (name, conversation_id))
    return f"{BLOB}{name}"


def index(db: apsw.Connection, conversation_id: str, seq: int, event: DurableEvent) -> None:
    """Make what was said findable."""
    if said := saying(event):
        sql = "insert into sayings (conversation_id, seq, kind, words) values (?, ?, ?, ?)"
        db.execute(sql, (conversation_id, seq, *said))


def copy(db: apsw.Connection, source: str, target: str, upto: int) -> None:
    """Copy the events up to a number into the new conversation `target`, with turns of its own."""
    ids = {"source": source, "target": target, "upto": upto}
    for sql in COPY:
        db.execute(sql, ids)


COPY = (
    """insert into conversations (id, title, created, updated, seq, turns, parent, parent_seq)
       select :target, title, unixepoch('subsec'), unixepoch('subsec'), min(seq, :upto),
              (select count(distinct turn_id) from events where conversation_id = :source and seq <= :upto), id, :upto
       from conversations where id = :source""",
    """insert into turns (id, conversation_id, status, epoch, owner)
       select turn_id || '.' || :target, :target, iif(sum(key = 'TurnFinished'), 'finished', 'open'), 1, ''
       from events where conversation_id = :source and seq <= :upto group by turn_id""",
    """insert into events select :target, seq, turn_id || '.' || :target, key, at, body
       from events where conversation_id = :source and seq <= :upto""",
    """insert into sayings (conversation_id, seq, kind, words) select :target, seq, kind, words
       from sayings where conversation_id = :source and seq <= :upto""",
    "insert into blob_uses select hash, :target from blob_uses where conversation_id = :source",
)


def record(turn: TurnRef, seq: int, at: float, event: DurableEvent) -> Recorded:
    """Return the event with its place."""
    return Recorded(
        conversation_id=turn.conversation_id,
        turn_id=turn.turn_id,
        seq=seq,
        at=datetime.fromtimestamp(at, UTC),
        event=event,
    )


def recorded(conversation_id: str, row: tuple[apsw.SQLiteValue, ...]) -> Recorded:
    """Return a row of `EVENTS` as the event it holds. Raises `ValueError` if it holds none."""
    seq, turn_id, at, body = row
    try:
        event = EVENT.validate_json(str(body))
    except ValidationError as error:
        raise ValueError(f"event {seq} of conversation {conversation_id} is none") from error
    when = datetime.fromtimestamp(float(str(at)), UTC)
    return Recorded(conversation_id=conversation_id, turn_id=str(turn_id), seq=int(str(seq)), at=when, event=event)


def head(row: tuple[apsw.SQLiteValue, ...]) -> Head:
    """Return a row of `HEAD` as what it says of a conversation."""
    conversation_id, title, created, updated, turns, open_turn, parent, owner = row
    return Head(
        id=str(conversation_id),
        title=str(title),
        created=datetime.fromtimestamp(float(str(created)), UTC),
        updated=datetime.fromtimestamp(float(str(updated)), UTC),
        turns=int(str(turns)),
        open_turn=str(open_turn),
        parent=str(parent),
        owner=str(owner),
    )


def no_such(conversation_id: str) -> NotFound:
    """Return the error for a conversation that does not exist."""
    return NotFound(f"There is no conversation {conversation_id!r}.", "See `orchestrator conversations list`.")
