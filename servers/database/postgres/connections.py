"""Connections to one PostgreSQL database: made when needed, checked for their role, lent to one caller at a time.

What comes back is rolled back and `DISCARD ALL`ed before anyone else gets it: no setting, temporary table, lock or
prepared statement of one caller is seen by the next.
"""

from __future__ import annotations

import select
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import psycopg
from psycopg.pq import TransactionStatus

from servers.database.errors import DatabaseError, Unavailable
from servers.database.postgres.role import check
from servers.database.postgres.troubles import explained

SIDE_BY_SIDE = 4
CONNECT_SECONDS = 5
TIDY_SECONDS = 2.0
Connection = psycopg.AsyncConnection[Any]


class Connections:
    """At most four connections, kept for the next caller."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self.idle: list[Connection] = []
        self.places = anyio.CapacityLimiter(SIDE_BY_SIDE)

    @asynccontextmanager
    async def lent(self, begin: bytes) -> AsyncGenerator[Connection]:
        """Lend a connection on which `begin` was run. Raises `Unavailable` without one, `Refused` for a mighty role."""
        async with self.places:
            connection = await self.begun(begin)
            try:
                yield connection
            finally:
                with anyio.CancelScope(shield=True):
                    if await tidied(connection):
                        self.idle.append(connection)
                    else:
                        await connection.close()

    async def begun(self, begin: bytes) -> Connection:
        """Return a connection after `begin`, which finds out whether the server still knows one that has waited."""
        while connection := await self.rested():
            try:
                with anyio.fail_after(CONNECT_SECONDS):
                    await connection.execute(begin)
                return connection
            except (psycopg.Error, TimeoutError):
                await connection.close()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await connection.close()
                raise
        connection = await self.made()
        try:
            await connection.execute(begin)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await connection.close()
            if isinstance(error, psycopg.Error):
                raise unreachable(error) from None
            raise
        return connection

    async def rested(self) -> Connection | None:
        """Return a connection that is still open, if one waits."""
        while self.idle:
            connection = self.idle.pop()
            if not spoken(connection):
                return connection
            await connection.close()
        return None

    async def made(self) -> Connection:
        """Return a new connection whose role may be used here."""
        try:
            connection = await psycopg.AsyncConnection.connect(
                self.dsn,
                autocommit=True,
                prepare_threshold=None,
                connect_timeout=CONNECT_SECONDS,
                application_name="mcp-database",
                client_encoding="utf8",
            )
        except psycopg.Error as error:
            raise unreachable(error) from None
        try:
            check(await facts_of(connection))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await connection.close()
            raise
        return connection

    async def aclose(self) -> None:
        """Close the connections that wait."""
        while self.idle:
            await self.idle.pop().close()


async def facts_of(connection: Connection) -> tuple[Any, ...]:
    """Return what `role.check` wants to know about the role of a connection."""
    from servers.database.postgres.role import FACTS

    try:
        row = await (await connection.execute(FACTS)).fetchone()
    except psycopg.Error as error:
        raise explained(error, "") from None
    assert row is not None
    return row


def spoken(connection: Connection) -> bool:
    """Whether the server has said something, or hung up, while the connection waited: then it is of no more use."""
    if connection.closed:
        return True
    readable, _, _ = select.select([connection.pgconn.socket], [], [], 0)
    return bool(readable)


async def tidied(connection: Connection) -> bool:
    """Bring a connection back to how it was made; False if that fails."""
    with anyio.move_on_after(TIDY_SECONDS), suppress(psycopg.Error, DatabaseError):
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            await connection.rollback()
        await connection.execute("DISCARD ALL")
        return not connection.closed
    return False


def unreachable(error: psycopg.Error) -> Unavailable:
    """Return the error of a connection that could not be made. Its text may name host and user: it goes no further."""
    text = str(error).lower()
    if "password" in text or "authentication" in text or "role" in text:
        why = "it did not accept the user or the password"
    elif "database" in text and "does not exist" in text:
        why = "there is no such database on it"
    elif "too many" in text or "remaining connection slots" in text:
        why = "it has no connection free"
    else:
        why = "it does not answer"
    return Unavailable(f"The PostgreSQL server cannot be used: {why}. Ask the operator.")
