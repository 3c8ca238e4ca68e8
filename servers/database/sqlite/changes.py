"""A statement that writes to SQLite: in its transaction, counted, committed only if all was as allowed."""

from __future__ import annotations

import apsw

from servers.database.engine import Change, Column, Outcome
from servers.database.errors import TooLarge
from servers.database.sqlite import guard
from servers.database.sqlite.statements import OnlyOne, bindings
from servers.database.values import Page


def changed(connection: apsw.Connection, change: Change) -> Outcome:
    """Run a change on a connection of its own and say what it did. Raises `TooLarge` over the cap, `apsw.Error`."""
    connection.execute("BEGIN IMMEDIATE").fetchall()
    before = connection.total_changes()
    try:
        page, columns = run(connection, change)
        affected = connection.changes() if connection.total_changes() > before else 0
        total = connection.total_changes() - before
        if total > change.max_affected:
            raise TooLarge(
                f"It would change {total} rows, max_affected is {change.max_affected}: rolled back."
                " Narrow the WHERE, or raise it."
            )
        if change.commit:
            connection.execute("COMMIT").fetchall()
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK").fetchall()
    returning = page.answer(columns) if columns else None
    return Outcome(affected, change.commit, returning, None if change.commit else "dry run")


def run(connection: apsw.Connection, change: Change) -> tuple[Page, list[Column]]:
    """Run the statement under the authorizer, to its end; return what it returned, and the columns of that."""
    page = Page(change.window)
    cursor = connection.cursor()
    cursor.exec_trace = only = OnlyOne(change.statement.sql)
    connection.authorizer = guard.writing(change.allow_ddl)
    try:
        cursor.execute(change.statement.sql, bindings(change.statement))
        for row in cursor:
            page.add(row)  # RETURNING has made all its changes before the first row; the rest is only not shown
    finally:
        cursor.close(True)
        connection.authorizer = None
    return page, only.columns
