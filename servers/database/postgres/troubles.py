"""What PostgreSQL says when it refuses, in our errors: its message, hint, place and what to do."""

from __future__ import annotations

import psycopg
from psycopg import errors as pg

from servers.database.errors import (
    Conflict,
    DatabaseError,
    NoSuchThing,
    Refused,
    TooLarge,
    TooSlow,
    Unavailable,
    WrongStatement,
)
from servers.database.statements import located

ONLY_READS = "Only a statement that reads is run here: SELECT, WITH ... SELECT, VALUES, TABLE."


def explained(error: psycopg.Error, sql: str, shift: int = 0) -> DatabaseError:
    """Return our error for one of psycopg. `sql` is what the caller wrote; `shift` the characters put before it."""
    diag = error.diag
    text = (diag.message_primary or str(error).strip().split("\n")[0]).removesuffix(".")
    hint = f" {diag.message_hint}" if diag.message_hint else ""
    place = ""
    if diag.statement_position and sql and 0 <= (at := int(diag.statement_position) - 1 - shift) <= len(sql):
        place = located(sql, at)
    match error:
        case pg.QueryCanceled():
            return TooSlow("Stopped by the database at its time limit. Filter or aggregate more; see db_explain.")
        case pg.UndefinedTable() | pg.InvalidSchemaName():
            return NoSuchThing(f"{text}{place}.{hint}")
        case pg.InsufficientPrivilege():
            return Refused(f"{text}{place}. The role of this source may only use what is granted to it; see db_schema.")
        case pg.ReadOnlySqlTransaction() | pg.FeatureNotSupported():
            return Refused(f"{text}{place}. {ONLY_READS}")
        case pg.LockNotAvailable() | pg.DeadlockDetected() | pg.SerializationFailure():
            return Conflict(f"{text}. Another session holds a lock. Try again.")
        case pg.IntegrityConstraintViolation() | pg.IntegrityError():
            detail = f" ({diag.message_detail})" if diag.message_detail else ""
            return Conflict(f"{text}{detail}. Nothing was changed.")
        case pg.ProgramLimitExceeded() | pg.InsufficientResources() | pg.StatementTooComplex():
            return TooLarge(f"{text}. Select less, or parts of it.")
        case pg.AdminShutdown() | pg.CrashShutdown() | pg.CannotConnectNow():
            return Unavailable("The PostgreSQL server ended the session. Try again.")
        case _ if error.sqlstate is None:
            return Unavailable("The connection to the PostgreSQL server broke. Try again.")
        case _:
            return WrongStatement(f"{text}{place}.{hint or ' Correct the statement; db_schema shows the names.'}")
