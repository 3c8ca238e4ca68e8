"""A folder of data files in a worker process, read by a DuckDB that may open these files and nothing else.

The engine's own lock-down (https://duckdb.org/docs/stable/operations_manual/securing_duckdb/overview) is set before any
statement of a caller; besides, the process may not write a single byte to any file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
from duckdb import DuckDBPyConnection

from servers.database.duckdb import catalog
from servers.database.duckdb.folder import DataFile, data_files
from servers.database.duckdb.rendering import Shape, reader, wrapped
from servers.database.duckdb.troubles import ONLY_READS, explained
from servers.database.engine import Answer, Change, Column, Found, Outcome, Plan, Search, Statement, Table, Window
from servers.database.errors import Refused, Unavailable, WrongStatement
from servers.database.statements import unended
from servers.database.values import Page

THREADS = 2
SHARE = 3
"""Of the address space of the process one part is for DuckDB's buffers: it takes more than it counts."""


class DuckSession:
    """The files of one folder as views, in a database in memory."""

    def __init__(self, path: str, memory: int) -> None:
        self.root = Path(path)
        self.memory = memory
        forbid_writing()
        try:
            os.chdir(self.root)  # paths in views, settings and messages are relative: no path of the host is told
        except OSError:
            raise Unavailable("The folder of this source is gone. Ask the operator.") from None
        self.files: list[DataFile] = []
        self.left_out: list[str] = []
        self.database = self.opened()
        self.running: DuckDBPyConnection | None = None

    def opened(self) -> DuckDBPyConnection:
        """Return a locked database with a view for each file that is there now."""
        self.files, self.left_out = data_files(self.root), []
        connection = duckdb.connect(":memory:")
        paths = ", ".join(text(file.path) for file in self.files)
        for setting in (
            f"threads = {THREADS}",
            f"memory_limit = '{self.memory // SHARE // 2**20}MiB'",
            f"allowed_paths = [{paths}]",
            "max_temp_directory_size = '0B'",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_external_access = false",
        ):
            connection.execute(f"SET {setting}")
        for file in self.files:
            try:
                connection.execute(f"CREATE VIEW {catalog.quoted(file.table)} AS FROM {file.reader}({text(file.path)})")
            except duckdb.Error:
                self.left_out.append(file.path)
        connection.execute("SET lock_configuration = true")
        return connection

    def cursor(self) -> DuckDBPyConnection:
        """Return a connection for one call, to a new database if files have changed."""
        if data_files(self.root) != self.files:
            self.database.close()
            self.database = self.opened()
        self.running = self.database.cursor()
        return self.running

    def interrupt(self) -> None:
        """See `Session`."""
        if self.running is not None:
            with suppress(duckdb.Error):
                self.running.interrupt()

    def close(self) -> None:
        """See `Session`."""
        self.database.close()

    def query(self, statement: Statement, window: Window) -> Answer:
        """See `Session`."""
        with self.cursor() as cursor:
            try:
                shape = described(cursor, statement)
                page = Page(window)
                readers = [reader(each, window.max_cell, f"{self.root}/") for each in shape.types]
                result = cursor.execute(wrapped(unended(statement.sql), shape, window), statement.params)
                while rows := result.fetchmany(100):
                    for row in rows:
                        page.add([read(cell) for read, cell in zip(readers, row, strict=True)])
                    if page.full:
                        break
            except (duckdb.Error, RuntimeError, ValueError) as error:
                raise explained(error, statement.sql) from None
        return page.answer(list(shape.columns))

    def explain(self, statement: Statement, analyze: bool) -> Plan:
        """See `Session`."""
        with self.cursor() as cursor:
            try:
                only_select(statement.sql)
                how = "EXPLAIN ANALYZE" if analyze else "EXPLAIN"
                sql = f"{how} SELECT * FROM (\n{unended(statement.sql)}\n) AS q"
                rows = cursor.execute(sql, statement.params).fetchall()
            except (duckdb.Error, RuntimeError, ValueError) as error:
                raise explained(error, statement.sql) from None
        plan = "\n".join(str(row[-1]).rstrip() for row in rows)
        return Plan(plan, ["Reads whole files: filters on Parquet skip row groups, on CSV and JSON nothing."])

    def execute(self, change: Change) -> Outcome:
        """See `Session`."""
        raise Refused("A folder of data files is read-only.")

    def find(self, search: Search) -> list[Found]:
        """See `Session`."""
        with self.cursor() as cursor:
            return catalog.find(cursor, search, self.files)

    def describe(self, tables: Sequence[tuple[str, str]]) -> list[Table]:
        """See `Session`."""
        with self.cursor() as cursor:
            return [table for _, name in tables if (table := catalog.describe(cursor, name, self.files))]

    def sample(self, table: tuple[str, str], rows: int) -> str:
        """See `Session`."""
        return f"(SELECT * FROM {catalog.quoted(table[1])} LIMIT {rows})"


def forbid_writing() -> None:
    """Let this process write nothing to any file. Not possible on Windows."""
    with suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def only_select(sql: str) -> None:
    """Let exactly one statement pass that DuckDB itself takes for a SELECT."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise WrongStatement("One statement per call. Send them one by one.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise Refused(ONLY_READS)


def described(cursor: DuckDBPyConnection, statement: Statement) -> Shape:
    """Return the columns of a statement that reads, without running it."""
    only_select(statement.sql)
    cursor.execute(f"SELECT * FROM (\n{unended(statement.sql)}\n) AS q LIMIT 0", statement.params)
    shown: list[tuple[Any, ...]] = list(cursor.description or [])
    return Shape([Column(str(each[0]), str(each[1])) for each in shown])


def text(value: str) -> str:
    """Return a value as an SQL text literal."""
    return "'" + value.replace("'", "''") + "'"
