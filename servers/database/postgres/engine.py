"""PostgreSQL behind the `Engine` seam: each call in its own transaction, read as a capped sub-select, rolled back."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import psycopg
from psycopg import generators, pq

from servers.database.engine import Answer, Change, Column, Found, Outcome, Plan, Search, Statement, Table, Window
from servers.database.errors import NoSuchThing, Refused, WrongStatement
from servers.database.postgres import catalog, rendering
from servers.database.postgres.asking import rows_of, streamed
from servers.database.postgres.changes import changed
from servers.database.postgres.connections import Connection, Connections
from servers.database.postgres.hinting import with_names
from servers.database.postgres.rendering import Shape, Type
from servers.database.postgres.troubles import ONLY_READS, explained
from servers.database.stopping import run_stoppable
from servers.database.values import Page

T = TypeVar("T")
CANCEL_SECONDS = 1.0
MOST_KNOWN_TYPES = 2_000
COSTLY = 500.0
FULL_SCAN = re.compile(r"Seq Scan on (\S+).*?cost=[\d.]+\.\.([\d.]+) rows=(\d+)")
LONGEST_PLAN = 40_000


class PostgresEngine:
    """One PostgreSQL database. Connects with the first call; every connection's role is checked before it is used."""

    def __init__(self, dsn: str, seconds: float, writable: bool) -> None:
        self.connections = Connections(dsn)
        self.seconds = seconds
        self.writable = writable
        self.dialect = "postgresql"
        self.default_schema = "public"
        self.types: dict[int, Type] = {}

    async def query(self, statement: Statement, window: Window) -> Answer:
        """See `Engine`."""

        async def ask(connection: Connection) -> Answer:
            shape = await self.shape(connection, statement)
            return await self.rows(connection, statement, shape, window)

        return await self.call(ask)

    async def explain(self, statement: Statement, analyze: bool) -> Plan:
        """See `Engine`."""

        async def ask(connection: Connection) -> Plan:
            shape = await self.shape(connection, statement)
            how = "EXPLAIN (ANALYZE, BUFFERS)" if analyze else "EXPLAIN"
            sql = f"{how} SELECT * FROM (\n{rendering.unended(statement.sql)}\n) AS q"
            try:
                rows = await rows_of(connection, sql, rendering.parameters(statement.params, shape.parameters))
                lines = [str(line) for (line,) in rows]
            except psycopg.Error as error:
                raise explained(error, "") from None
            scans = [found for line in lines if (found := FULL_SCAN.search(line)) and float(found[2]) >= COSTLY]
            warnings = [
                f"Reads every row of {scan[1]} (cost {scan[2]}, about {scan[3]} rows pass):"
                " an index on the filtered or joined columns would avoid it."
                for scan in scans
            ]
            return Plan("\n".join(lines)[:LONGEST_PLAN], warnings)

        return await self.call(ask)

    async def execute(self, change: Change) -> Outcome:
        """See `Engine`."""
        if not self.writable:
            raise Refused("This source is read-only. The operator can allow writes with NAME=DSN:rw.")

        async def ask(connection: Connection) -> Outcome:
            shape = await self.described(connection, change.statement.sql)
            return await changed(connection, change, shape)

        return await self.call(ask, writing=True)

    async def find(self, search: Search) -> list[Found]:
        """See `Engine`."""
        return await self.call(lambda connection: catalog.find(connection, search))

    async def describe(self, tables: Sequence[tuple[str, str]]) -> list[Table]:
        """See `Engine`."""
        return await self.call(lambda connection: catalog.describe(connection, tables))

    async def sample(self, table: tuple[str, str], rows: int) -> str:
        """See `Engine`."""
        return await self.call(lambda connection: catalog.sample(connection, table, rows))

    async def aclose(self) -> None:
        """See `Engine`."""
        await self.connections.aclose()

    async def call(self, ask: Callable[[Connection], Awaitable[T]], writing: bool = False) -> T:
        """Return what `ask` gives in a transaction; it is cancelled in the server when this is, or takes too long."""
        async with self.connections.lent(self.begin(writing)) as connection:

            async def work() -> T:
                try:
                    return await ask(connection)
                except psycopg.Error as error:
                    raise explained(error, "") from None

            async def stop() -> None:
                with suppress(psycopg.Error):
                    await connection.cancel_safe(timeout=CANCEL_SECONDS)

            return await run_stoppable(work, stop, self.seconds + 0.5)

    def begin(self, writing: bool) -> bytes:
        """Return what opens a transaction with our settings; it is rolled back when the connection is given back."""
        limit = int(self.seconds * 1000)
        settings = {
            "statement_timeout": limit,
            "lock_timeout": min(limit, 1_000),
            "idle_in_transaction_session_timeout": limit + 10_000,
            "synchronize_seqscans": "off",
            "datestyle": "iso",
            "intervalstyle": "postgres",
            "extra_float_digits": 1,
            "standard_conforming_strings": "on",
            "client_min_messages": "error",
        }
        opening = f"BEGIN {'READ WRITE' if writing else 'READ ONLY'}"
        return "; ".join([opening, *(f"SET LOCAL {name} = {value}" for name, value in settings.items())]).encode()

    async def shape(self, connection: Connection, statement: Statement) -> Shape:
        """Return the columns of a statement that reads. Raises `WrongStatement`, `Refused`."""
        try:
            shape = await self.described(connection, statement.sql)
        except (WrongStatement, NoSuchThing) as wrong:
            await connection.rollback()
            raise await with_names(connection, wrong) from None
        if not shape.columns:
            raise Refused(f"This statement gives no rows. {ONLY_READS}")
        if isinstance(statement.params, dict):
            raise WrongStatement("PostgreSQL takes params as an array: $1 is the first.")
        if (given := len(statement.params or ())) != len(shape.parameters):
            raise WrongStatement(f"The statement has {len(shape.parameters)} parameters ($1 ...), params has {given}.")
        return shape

    async def described(self, connection: Connection, sql: str) -> Shape:
        """Let the server parse exactly one statement, without running it, and tell its columns and parameters."""
        pgconn = connection.pgconn
        async with connection.lock:
            pgconn.send_prepare(b"", sql.encode())
            (parsed,) = await connection.wait(generators.execute(pgconn))
            if parsed.status != pq.ExecStatus.COMMAND_OK:
                raise explained(psycopg.errors.error_from_result(parsed, encoding="utf-8"), sql)
            pgconn.send_describe_prepared(b"")
            (description,) = await connection.wait(generators.execute(pgconn))
        columns = range(description.nfields)
        oids = [description.ftype(column) for column in columns]
        wanted = [description.param_type(place) for place in range(description.nparams)]
        known = await self.known(connection, {*oids, *wanted})
        names = [(description.fname(column) or b"").decode("utf-8", "replace") for column in columns]
        shown = [Column(name, known[oid].name) for name, oid in zip(names, oids, strict=True)]
        return Shape(shown, [known[oid] for oid in oids], [known[oid] for oid in wanted])

    async def known(self, connection: Connection, oids: set[int]) -> dict[int, Type]:
        """Return the types of these numbers."""
        if missing := [oid for oid in oids if oid not in self.types]:
            if len(self.types) > MOST_KNOWN_TYPES:
                self.types.clear()
                missing = list(oids)
            self.types |= {row[0]: Type(*row) for row in await rows_of(connection, rendering.TYPES, [missing])}
        return {oid: self.types[oid] for oid in oids}

    async def rows(self, connection: Connection, statement: Statement, shape: Shape, window: Window) -> Answer:
        """Return the rows of a window, and stop the statement once the window is full."""
        limit = rendering.cell_limit(shape, window)
        page = Page(Window(window.max_rows, window.offset, window.max_bytes, limit))
        readers = {place: read for place, each in enumerate(shape.types) if (read := rendering.reader(each, limit))}
        values = rendering.parameters(statement.params, shape.parameters)
        sql = rendering.wrapped(statement.sql, shape, window)
        try:
            async with streamed(connection, sql, values, rendering.chunk(shape, limit)) as stream:
                async for row in stream:
                    page.add(rendering.read(row, readers))
                    if page.full == "bytes":
                        break
        except psycopg.errors.SyntaxError:
            raise Refused(f"This statement cannot be read from like a table. {ONLY_READS}") from None
        except psycopg.Error as error:
            raise explained(error, "") from None
        return page.answer(list(shape.columns))
