"""A statement that writes: run in its transaction, counted by the server, committed only if all was as allowed."""

from __future__ import annotations

import psycopg
from psycopg import sql as build

from servers.database.engine import Answer, Change, Outcome
from servers.database.errors import Refused, TooLarge, WrongStatement
from servers.database.postgres import rendering
from servers.database.postgres.asking import asked, rows_of, streamed
from servers.database.postgres.connections import Connection
from servers.database.postgres.rendering import Shape
from servers.database.postgres.troubles import explained
from servers.database.values import Page

WRITTEN = (
    "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::int8 FROM pg_catalog.pg_stat_xact_all_tables"
    " WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
)
"""Rows this session wrote, triggers and cascades included. Transactions of a moment ago may be in it too."""
PLAN = "EXPLAIN (FORMAT JSON) "


async def changed(connection: Connection, change: Change, shape: Shape) -> Outcome:
    """Run a change and say what it did. Raises `Refused` for DDL that is not allowed, `TooLarge` over the cap."""
    sql = rendering.unended(change.statement.sql)
    rows = await is_rows(connection, sql, change, shape)
    if not rows and not change.allow_ddl:
        raise Refused(
            "Only INSERT, UPDATE, DELETE and MERGE are run here. The operator can allow DDL with --allow-ddl."
        )
    before = await written(connection)
    try:
        affected, returning = await (run_rows if rows else run_ddl)(connection, sql, change, shape)
    except psycopg.Error as error:
        raise explained(error, change.statement.sql) from None
    total = max(affected, await written(connection) - before)
    if total > change.max_affected:
        raise TooLarge(
            f"It would change {total} rows, max_affected is {change.max_affected}: rolled back."
            " Narrow the WHERE, or raise it."
        )
    if not change.commit:
        await connection.rollback()
        return Outcome(affected, False, returning, "dry run")
    try:
        await connection.execute("COMMIT")
    except psycopg.Error as error:  # a deferred constraint
        raise explained(error, "") from None
    return Outcome(affected, True, returning)


async def is_rows(connection: Connection, sql: str, change: Change, shape: Shape) -> bool:
    """Whether a statement changes rows, as the planner sees it; everything that has no plan of rows counts as DDL."""
    await connection.execute("SAVEPOINT looked")
    try:
        values = rendering.parameters(change.statement.params, shape.parameters)
        ((plan,),) = await rows_of(connection, PLAN + sql, values)
    except psycopg.errors.SyntaxError:
        return False
    except psycopg.Error as error:
        raise explained(error, sql, shift=len(PLAN)) from None
    finally:
        if connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
            await connection.execute("ROLLBACK TO SAVEPOINT looked")
    return bool(shape.columns) or "ModifyTable" in str(plan)


async def written(connection: Connection) -> int:
    """Return how many rows this session has written."""
    row = await (await connection.execute(WRITTEN)).fetchone()
    return int(row[0]) if row else 0


async def run_rows(connection: Connection, sql: str, change: Change, shape: Shape) -> tuple[int, Answer | None]:
    """Run a statement that changes rows; return how many, and what it returned."""
    values = rendering.parameters(change.statement.params, shape.parameters)
    if not shape.columns:
        return max((await asked(connection, sql, values)).rowcount, 0), None
    page = Page(change.window)
    count = 0
    async with streamed(connection, sql, values) as stream:
        async for row in stream:
            count += 1
            page.add(row)
    return count, page.answer(list(shape.columns))


async def run_ddl(connection: Connection, sql: str, change: Change, _shape: Shape) -> tuple[int, Answer | None]:
    """Run any other statement inside PL/pgSQL, which refuses to end the transaction around it."""
    if change.statement.params:
        raise WrongStatement("A statement that changes no rows takes no params.")
    block = build.SQL("DO {}").format(
        build.Literal(build.SQL("BEGIN EXECUTE {}; END").format(build.Literal(sql)).as_string())
    )
    await connection.execute(block)
    return 0, None
