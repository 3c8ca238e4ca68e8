"""The journal in one SQLite file: WAL, synchronous=FULL, one writer with group commit, any number of readers.

`apsw` brings its own current SQLite: versions before 3.51.3 can corrupt a WAL that two processes write to
(https://sqlite.org/wal.html#walresetbug), and two windows are enough for that.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio.to_thread
import apsw

from orchestrator.errors import Conflict, Fenced, StoreError
from orchestrator.events import DurableEvent, Recorded, TurnStarted
from orchestrator.messages import text_of
from orchestrator.ports import Head, Hit, TurnRef
from orchestrator.store import migrating, rows, searching
from orchestrator.store.writer import Writer

T = TypeVar("T")
Row = tuple["apsw.SQLiteValue", ...]
TITLE_LENGTH = 80
BETWEEN_ATTEMPTS = 0.02
SALVAGE = "`orchestrator conversations salvage FILE --output NEW` reads what is left of it into a new file."


class SqliteStore:
    """`ports.Store` in the file at `path`, which is made if it does not exist.

    Another process that is writing is waited for `patience_ms`.
    """

    def __init__(self, path: Path, patience_ms: int = 5_000) -> None:
        with _translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.touch(mode=0o600)  # nobody else's business; SQLite gives its log the same mode
            writing = _open(path, patience_ms)
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
        return await self._read(f"{rows.HEAD} order by c.updated desc limit ?", (limit,), rows.head)

    async def head(self, conversation_id: str) -> Head:
        found = await self._read(f"{rows.HEAD} where c.id = ?", (conversation_id,), rows.head)
        if not found:
            raise rows.no_such(conversation_id)
        return found[0]

    async def events(self, conversation_id: str, after: int = 0) -> list[Recorded]:
        found = await self._read(rows.EVENTS, (conversation_id, after), partial(rows.recorded, conversation_id))
        if not found:
            await self.head(conversation_id)
        return found

    async def begin(self, conversation_id: str, turn_id: str, owner: str, started: DurableEvent) -> Recorded:
        turn = TurnRef(conversation_id, turn_id, epoch=1)
        title = text_of(started.content)[:TITLE_LENGTH] if isinstance(started, TurnStarted) else ""

        def work(db: apsw.Connection) -> Recorded:
            sql = """update conversations set turns = turns + 1, title = iif(title = '', ?, title)
                     where id = ? returning id"""
            if not db.execute(sql, (title, conversation_id)).get:
                raise rows.no_such(conversation_id)
            if db.execute("select 1 from turns where conversation_id = ? and status = 'open'", (conversation_id,)).get:
                raise Conflict(
                    f"Conversation {conversation_id} has a turn that is not finished.", "Resume or cancel it."
                )
            db.execute(
                "insert into turns (id, conversation_id, owner) values (?, ?, ?)", (turn_id, conversation_id, owner)
            )
            return rows.insert(db, turn, [started])[0]

        return await self._write(work)

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
            return rows.insert(db, turn, events)

        return await self._write(work)

    async def search(self, text: str, limit: int = 20, results: bool = False) -> list[Hit]:
        if not (query := searching.query(text)):
            return []
        sql = searching.SQL.format(index="returned" if results else "said")
        return await self._read(sql, (query, limit), searching.hit)

    async def fork(self, conversation_id: str, new_id: str, upto: int) -> None:
        def work(db: apsw.Connection) -> None:
            if not db.execute("select 1 from conversations where id = ?", (conversation_id,)).get:
                raise rows.no_such(conversation_id)
            if db.execute("select 1 from conversations where id = ?", (new_id,)).get:
                raise Conflict(f"There is a conversation {new_id} already.")
            rows.copy(db, conversation_id, new_id, upto)

        await self._write(work)

    async def delete(self, conversation_id: str) -> None:
        def work(db: apsw.Connection) -> None:
            if db.execute("select 1 from turns where conversation_id = ? and status = 'open'", (conversation_id,)).get:
                raise Conflict(f"Conversation {conversation_id} has a turn that is not finished.", "Cancel it first.")
            if not db.execute("delete from conversations where id = ? returning 1", (conversation_id,)).get:
                raise rows.no_such(conversation_id)
            db.execute("delete from blobs where hash not in (select hash from blob_uses)")

        await self._write(work)

    async def close(self) -> None:
        await anyio.to_thread.run_sync(self._writer.close)
        with self._lock:
            self._reading.close()

    async def _write(self, work: Callable[[apsw.Connection], T]) -> T:
        with _translated(self._path):
            return await self._writer.run(work)

    async def _read(self, sql: str, values: Row, made: Callable[[Row], T]) -> list[T]:
        """Return what is made of each row. Raises `StoreError` if one holds what was never written."""

        def work() -> list[Row]:
            with self._lock:
                return self._reading.execute(sql, values).fetchall()

        with _translated(self._path):
            found = await anyio.to_thread.run_sync(work)
            try:
                return [made(row) for row in found]
            except (ValueError, OverflowError) as error:
                raise StoreError(f"The history in {self._path} is damaged ({error}).", SALVAGE) from error


def _open(path: Path, patience_ms: int) -> apsw.Connection:
    """Return a connection to a database whose schema is up to date.

    Windows that open a new file at the same moment stand in one another's way, and SQLite's own patience does not cover
    the change to the write-ahead log; so we have it instead.
    """
    deadline = time.monotonic() + patience_ms / 1000
    while True:
        with ExitStack() as undo:
            database = apsw.Connection(str(path))
            undo.callback(database.close)
            try:
                _prepare(database, patience_ms)
            except apsw.BusyError:
                if time.monotonic() >= deadline:
                    raise
            else:
                undo.pop_all()
                return database
        time.sleep(BETWEEN_ATTEMPTS)


def _prepare(database: apsw.Connection, patience_ms: int) -> None:
    database.set_busy_timeout(patience_ms)
    for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on", "trusted_schema = off"):
        database.execute(f"pragma {pragma}")
    migrating.migrate(database)


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
    except (apsw.Error, UnicodeDecodeError) as error:  # a broken tree, a table that is gone, text that is none
        raise StoreError(f"The history in {path} is damaged ({error}).", SALVAGE) from error
