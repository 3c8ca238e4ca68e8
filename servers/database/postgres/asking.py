"""One statement with `$1` parameters, asked over a connection. Text is passed as it is: a `%` in it means nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

import psycopg

from servers.database.postgres.connections import Connection

Row = tuple[Any, ...]


async def asked(connection: Connection, sql: str, values: Sequence[Any] = ()) -> psycopg.AsyncRawCursor[Row]:
    """Run a statement and return its cursor. Raises `psycopg.Error`."""
    cursor = psycopg.AsyncRawCursor[Row](connection)
    await cursor.execute(sql.encode(), values or None)
    return cursor


async def rows_of(connection: Connection, sql: str, values: Sequence[Any] = ()) -> list[Row]:
    """Return all rows of a statement. Raises `psycopg.Error`."""
    return await (await asked(connection, sql, values)).fetchall()


def streamed(connection: Connection, sql: str, values: Sequence[Any], size: int = 1) -> aclosing[AsyncGenerator[Row]]:
    """Return the rows of a statement as they come, `size` at a time; leaving early cancels it in the server."""
    cursor = psycopg.AsyncRawCursor[Row](connection)
    return aclosing(cast("AsyncGenerator[Row]", cursor.stream(sql.encode(), values, size=size)))
