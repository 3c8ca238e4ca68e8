"""A SQLite database in a worker process: guarded reads on a read-only connection, bounded writes on another."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import apsw

from servers.database.engine import Answer, Change, Column, Found, Outcome, Plan, Search, Statement, Table, Window
from servers.database.errors import Refused, Unavailable
from servers.database.sqlite import catalog, guard
from servers.database.sqlite.changes import changed
from servers.database.sqlite.statements import OnlyOne, bindings
from servers.database.sqlite.troubles import READ_ONLY, explained
from servers.database.statements import unended
from servers.database.values import Page

COUNT_PLAN = 2
"""The `explain` mode of apsw that gives EXPLAIN QUERY PLAN."""


class SqliteSession:
    """One database file. The connection for reading cannot write, whatever the statement says."""

    def __init__(self, path: str, writable: bool) -> None:
        self.path, self.writable = path, writable
        self.connection = self.opened(writable=False)
        self.connection.authorizer = guard.reading
        self.identity = self.identified()
        self.writer: apsw.Connection | None = None

    def opened(self, writable: bool) -> apsw.Connection:
        """Return a new guarded connection."""
        try:
            return guard.connect(self.path, writable)
        except apsw.NotADBError:
            raise Unavailable("The file of this source is not a SQLite database. Ask the operator.") from None
        except apsw.Error as error:
            raise Unavailable(f"The database file cannot be opened: {error}. Ask the operator.") from None

    def identified(self) -> tuple[int, int]:
        """Return which file the path means now."""
        try:
            stat = os.stat(self.path)
        except OSError:
            raise Unavailable("The database file of this source is gone. Ask the operator.") from None
        return stat.st_dev, stat.st_ino

    @property
    def reader(self) -> apsw.Connection:
        """The connection for reading; a new one if the file was replaced."""
        if self.identified() != self.identity:
            self.connection.close()
            self.connection = self.opened(writable=False)
            self.connection.authorizer = guard.reading
            self.identity = self.identified()
        return self.connection

    def interrupt(self) -> None:
        """See `Session`."""
        self.connection.interrupt()
        if (writer := self.writer) is not None:
            writer.interrupt()

    def close(self) -> None:
        """See `Session`."""
        self.connection.close()

    def query(self, statement: Statement, window: Window) -> Answer:
        """See `Session`."""
        page = Page(window)
        columns: list[Column] = []
        try:
            with self.running(self.reader, statement, columns) as cursor:
                take(islice(cursor, window.offset, None), page)
        except UnicodeDecodeError:
            page = Page(window)
            with self.running(self.connection, as_bytes(statement, len(columns))) as cursor:
                take((decoded(row) for row in islice(cursor, window.offset, None)), page)
        return page.answer(columns)

    def explain(self, statement: Statement, analyze: bool) -> Plan:
        """See `Session`."""
        with self.running(self.reader, statement, explain=COUNT_PLAN) as cursor:
            steps = [(int(step), int(parent), str(detail)) for step, parent, _, detail in cursor]
        if not steps:  # VACUUM, PRAGMA: nothing that reads rows
            raise Refused(f"This statement has no plan. {READ_ONLY}")
        plan = tree(steps)
        if analyze:
            with self.running(self.reader, statement) as cursor:
                plan += f"\nran: {sum(1 for _ in cursor)} rows"
        return Plan(plan, [advice(detail) for _, _, detail in steps if is_full_scan(detail)])

    def execute(self, change: Change) -> Outcome:
        """See `Session`."""
        if not self.writable:
            raise Refused("This source is read-only. The operator can allow writes with NAME=DSN:rw.")
        self.writer = self.opened(writable=True)
        try:
            return changed(self.writer, change)
        except (apsw.Error, ValueError, TypeError, OverflowError, KeyError) as error:
            if isinstance(error, apsw.AuthError):
                raise Refused(f"{error}. {ddl_advice(change.allow_ddl)}") from None
            raise explained(error, change.statement, catalog.names(self.reader)) from None
        finally:
            writer, self.writer = self.writer, None
            writer.close()

    def find(self, search: Search) -> list[Found]:
        """See `Session`."""
        return catalog.find(self.reader, search)

    def describe(self, tables: Sequence[tuple[str, str]]) -> list[Table]:
        """See `Session`."""
        return [table for _, name in tables if (table := catalog.describe(self.reader, name))]

    def sample(self, table: tuple[str, str], rows: int) -> str:
        """See `Session`."""
        return catalog.sample(self.reader, table[1], rows)

    @contextmanager
    def running(
        self, connection: apsw.Connection, statement: Statement, columns: list[Column] | None = None, explain: int = -1
    ) -> Generator[apsw.Cursor]:
        """Run one statement and lend its cursor; its columns go into `columns`. Failures are told in our errors."""
        cursor = connection.cursor()
        cursor.exec_trace = only = OnlyOne(statement.sql)
        try:
            cursor.execute(statement.sql, bindings(statement), explain=explain)
            if columns is not None:
                columns += only.columns
            yield cursor
        except UnicodeDecodeError:
            raise
        except (apsw.Error, ValueError, TypeError, OverflowError, KeyError) as error:
            raise explained(error, statement, catalog.names(connection)) from None
        finally:
            cursor.close(True)


def ddl_advice(allowed: bool) -> str:
    """Return what may be run instead of a refused change."""
    if allowed:
        return "INSERT, UPDATE, DELETE, and CREATE, ALTER, DROP of tables, indexes, views and triggers are allowed."
    return "INSERT, UPDATE and DELETE are allowed. The operator can allow DDL with --allow-ddl."


def take(rows: Iterable[Sequence[Any]], page: Page) -> None:
    """Put rows on a page until it is full."""
    for row in rows:
        if not page.add(row):
            return


def as_bytes(statement: Statement, width: int) -> Statement:
    """Return the statement with its texts as bytes, and their types behind them: for texts that are not UTF-8."""
    names = [f"c{number}" for number in range(width)]
    texts = ", ".join(f"CASE typeof({n}) WHEN 'text' THEN CAST({n} AS BLOB) ELSE {n} END" for n in names)
    kinds = ", ".join(f"typeof({name})" for name in names)
    wrapped = f"WITH q({', '.join(names)}) AS (\n{unended(statement.sql)}\n) SELECT {texts}, {kinds} FROM q"
    return Statement(wrapped, statement.params)


def decoded(row: Sequence[Any]) -> list[Any]:
    """Return a row of `as_bytes` with its texts decoded; bytes that mean nothing become U+FFFD."""
    half = len(row) // 2
    return [
        value.decode("utf-8", "replace") if kind == "text" else value
        for value, kind in zip(row[:half], row[half:], strict=True)
    ]


def tree(steps: Sequence[tuple[int, int, str]]) -> str:
    """Return the steps of a query plan, indented below their parents."""
    depth: dict[int, int] = {}
    lines: list[str] = []
    for step, parent, detail in steps:
        depth[step] = depth.get(parent, -1) + 1
        lines.append("  " * depth[step] + detail)
    return "\n".join(lines)


def is_full_scan(detail: str) -> bool:
    """Whether a step of a plan reads a whole table."""
    return detail.startswith("SCAN ") and " USING " not in detail and not detail.startswith(("SCAN CONSTANT", "SCAN ("))


def advice(detail: str) -> str:
    """Return what to consider about a step that reads a whole table."""
    return (
        f"{detail}: reads every row of {detail.split()[1]}. An index on the filtered or joined columns would avoid it."
    )
