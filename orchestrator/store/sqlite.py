"""The journal in one SQLite file: WAL, synchronous=FULL, one writer with group commit, any number of readers.

`apsw` brings its own current SQLite: versions before 3.51.3 can corrupt a WAL that two processes write to
(https://sqlite.org/wal.html#walresetbug), and two windows are enough for that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import anyio.to_thread
import apsw

from orchestrator.errors import Conflict, Fenced, NotFound, StoreError
from orchestrator.events import EVENT, DurableEvent, Recorded, TurnFinished, TurnStarted
from orchestrator.messages import text_of
from orchestrator.ports import Head, TurnRef
from orchestrator.store import migrating
from orchestrator.store.writer import Writer

T = TypeVar("T")
TITLE_LENGTH = 80

HEAD = """
select c.id, c.title, c.created, c.updated, c.turns, coalesce(t.id, ''), coalesce(t.owner, '')
from conversations c left join turns t on t.conversation_id = c.id and t.status = 'open'
"""


class SqliteStore:
    """`ports.Store` in the file at `path`, which is made if it does not exist.

    Another process that is writing is waited for `patience_ms`.
    """

    def __init__(self, path: Path, patience_ms: int = 5_000) -> None:
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            writing = _open(path, patience_ms)
            migrating.migrate(writing)
            self._reading = _open(path, patience_ms)
        self._path = path
        self._writer = Writer(writing)
        self._lock = threading.Lock()

    async def create(self, conversation_id: str) -> None:
        now = time.time()
        sql = "insert or ignore into conversations (id, created, updated) values (?, ?, ?) returning id"
        if not await self._write(lambda db: db.execute(sql, (conversation_id, now, now)).get):
            raise Conflict(f"There is a conversation {conversation_id} already.")

    async def heads(self, limit: int = 50) -> list[Head]:
        rows = await self._read(f"{HEAD} order by c.updated desc limit ?", (limit,))
        return [_head(row) for row in rows]

    async def head(self, conversation_id: str) -> Head:
        rows = await self._read(f"{HEAD} where c.id = ?", (conversation_id,))
        if not rows:
            raise _no_such(conversation_id)
        return _head(rows[0])

    async def events(self, conversation_id: str, after: int = 0) -> list[Recorded]:
        sql = "select seq, turn_id, at, body from events where conversation_id = ? and seq > ? order by seq"
        rows = await self._read(sql, (conversation_id, after))
        if not rows:
            await self.head(conversation_id)
        return [_recorded(conversation_id, *row) for row in rows]

    async def begin(self, conversation_id: str, turn_id: str, owner: str, started: DurableEvent) -> TurnRef:
        turn = TurnRef(conversation_id, turn_id, epoch=1)
        title = text_of(started.content)[:TITLE_LENGTH] if isinstance(started, TurnStarted) else ""

        def work(db: apsw.Connection) -> None:
            sql = """update conversations set turns = turns + 1, title = iif(title = '', ?, title)
                     where id = ? returning id"""
            if not db.execute(sql, (title, conversation_id)).get:
                raise _no_such(conversation_id)
            if db.execute("select 1 from turns where conversation_id = ? and status = 'open'", (conversation_id,)).get:
                raise Conflict(
                    f"Conversation {conversation_id} has a turn that is not finished.", "Resume or cancel it."
                )
            db.execute(
                "insert into turns (id, conversation_id, owner) values (?, ?, ?)", (turn_id, conversation_id, owner)
            )
            _insert(db, turn, [started])

        await self._write(work)
        return turn

    async def claim(self, conversation_id: str, turn_id: str, owner: str) -> TurnRef:
        sql = """update turns set epoch = epoch + 1, owner = ?
                 where id = ? and conversation_id = ? and status = 'open' returning epoch"""
        epoch = await self._write(lambda db: db.execute(sql, (owner, turn_id, conversation_id)).get)
        if epoch is None:
            await self.head(conversation_id)
            raise Conflict(f"Turn {turn_id} is over.")
        return TurnRef(conversation_id, turn_id, int(epoch))

    async def append(self, turn: TurnRef, events: Sequence[DurableEvent]) -> list[Recorded]:
        def work(db: apsw.Connection) -> list[Recorded]:
            sql = "select epoch from turns where id = ? and status = 'open'"
            if db.execute(sql, (turn.turn_id,)).get != turn.epoch:
                raise Fenced(f"Turn {turn.turn_id} was taken over by another process, or is finished.")
            return _insert(db, turn, events)

        return await self._write(work)

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self._writer.close)
        with self._lock:
            self._reading.close()

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        with _translated(self._path):
            return await self._writer.run(work)

    async def _read(self, sql: str, values: tuple[apsw.SQLiteValue, ...]) -> list[tuple[apsw.SQLiteValue, ...]]:
        def work() -> list[tuple[apsw.SQLiteValue, ...]]:
            with self._lock:
                return self._reading.execute(sql, values).fetchall()

        with _translated(self._path):
            return await anyio.to_thread.run_sync(work)


def _open(path: Path, patience_ms: int) -> apsw.Connection:
    database = apsw.Connection(str(path))
    database.set_busy_timeout(patience_ms)
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on", "trusted_schema = off"):
        database.execute(f"pragma {pragma}")
    return database


def _insert(db: apsw.Connection, turn: TurnRef, events: Sequence[DurableEvent]) -> list[Recorded]:
    """Number and store the events that are new; a finished turn and the list of conversations follow suit."""
    at = time.time()
    seq = int(db.execute("select seq from conversations where id = ?", (turn.conversation_id,)).get)
    recorded: list[Recorded] = []
    for event in events:
        sql = "insert into events values (?, ?, ?, ?, ?, ?) on conflict (turn_id, key) do nothing returning seq"
        body = EVENT.dump_json(event).decode()
        if db.execute(sql, (turn.conversation_id, seq + 1, turn.turn_id, event.key, at, body)).get:
            seq += 1
            recorded.append(_record(turn, seq, at, event))
        if isinstance(event, TurnFinished):
            db.execute("update turns set status = 'finished' where id = ?", (turn.turn_id,))
    db.execute("update conversations set seq = ?, updated = ? where id = ?", (seq, at, turn.conversation_id))
    return recorded


def _record(turn: TurnRef, seq: int, at: float, event: DurableEvent) -> Recorded:
    return Recorded(
        conversation_id=turn.conversation_id,
        turn_id=turn.turn_id,
        seq=seq,
        at=datetime.fromtimestamp(at, UTC),
        event=event,
    )


def _recorded(conversation_id: str, *row: apsw.SQLiteValue) -> Recorded:
    seq, turn_id, at, body = row
    return Recorded(
        conversation_id=conversation_id,
        turn_id=str(turn_id),
        seq=int(str(seq)),
        at=datetime.fromtimestamp(float(str(at)), UTC),
        event=EVENT.validate_json(str(body)),
    )


def _head(row: tuple[apsw.SQLiteValue, ...]) -> Head:
    conversation_id, title, created, updated, turns, open_turn, owner = row
    return Head(
        id=str(conversation_id),
        title=str(title),
        created=datetime.fromtimestamp(float(str(created)), UTC),
        updated=datetime.fromtimestamp(float(str(updated)), UTC),
        turns=int(str(turns)),
        open_turn=str(open_turn),
        owner=str(owner),
    )


def _no_such(conversation_id: str) -> NotFound:
    return NotFound(f"There is no conversation {conversation_id!r}.", "See `orchestrator conversations list`.")


@contextmanager
def _translated(path: Path) -> Generator[None]:
    """Turn what the database and the disk say into errors of ours."""
    try:
        yield
    except apsw.BusyError as error:
        raise StoreError(f"The history in {path} is locked by another process.", "Close it, then try again.") from error
    except (apsw.FullError, apsw.IOError) as error:
        raise StoreError(
            f"The disk did not take the history in {path} ({error}).", "Make room, then resume."
        ) from error
    except (apsw.ReadOnlyError, apsw.CantOpenError, OSError) as error:
        raise StoreError(f"The history in {path} cannot be written ({error}).", "Check the folder's rights.") from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        advice = "Move the file away to begin a new history; `sqlite3 FILE .recover` reads what is left of it."
        raise StoreError(f"The history in {path} is damaged ({error}).", advice) from error
