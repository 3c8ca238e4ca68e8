"""What SQLite says when it refuses, in our errors: its message, the place, the nearest names and what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence

import apsw

from servers.database.engine import Statement
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
from servers.database.hints import nearest
from servers.database.statements import located

NO_SUCH = re.compile(r"no such (table|column|view|index|function|module|collation sequence): (.+)")
READ_ONLY = "Only statements that read are allowed here: SELECT, WITH ... SELECT, VALUES."


def explained(error: Exception, statement: Statement, names: Sequence[str]) -> DatabaseError:
    """Return our error for one of apsw. `names` are those of tables and columns."""
    text = str(error)
    match error:
        case apsw.AuthError() | apsw.ReadOnlyError() | apsw.PermissionsError():
            return Refused(f"{text}. {READ_ONLY} Use db_schema to describe tables and db_explain for plans.")
        case apsw.SQLError() if text.startswith("unsafe use of"):
            return Refused(f"{text}: a view or a default of this file calls what may only be called by hand.")
        case apsw.InterruptError():
            return TooSlow("Stopped before it ended.")
        case apsw.TooBigError() | apsw.NoMemError() | apsw.FullError():
            return TooLarge(
                f"{text}: a value or the work for it is over the limit. Select less, or parts with substr()."
            )
        case apsw.BusyError() | apsw.LockedError():
            return Conflict("Another program is writing to this database. Try again.")
        case apsw.ConstraintError():
            return Conflict(f"{text}. Nothing was changed.")
        case apsw.CorruptError() | apsw.NotADBError() | apsw.IOError() | apsw.CantOpenError():
            return Unavailable(f"The database file cannot be read: {text}. Ask the operator.")
        case KeyError():
            return WrongStatement(f"params has no value named {text}. Give one for each name in the statement.")
        case apsw.BindingsError():
            return WrongStatement(f"{text} Give one value in params for each ? or :name.")
        case _:
            return wrong(text, error, statement, names)


def wrong(text: str, error: Exception, statement: Statement, names: Sequence[str]) -> DatabaseError:
    """Return the error of a statement that SQLite does not understand, with its place and the nearest names."""
    offset = getattr(error, "error_offset", -1)
    place = located(statement.sql, characters(statement.sql, offset)) if offset >= 0 else ""
    if match := NO_SUCH.fullmatch(text):
        kind, name = match.groups()
        hint = nearest(name, names) if kind in ("table", "column", "view") else ""
        return (NoSuchThing if kind == "table" else WrongStatement)(f"{text}{place}.{hint}")
    return WrongStatement(f"{text}{place}. Correct the statement; db_schema shows tables and columns.")


def characters(sql: str, offset: int) -> int:
    """Return the place of a byte of the statement in UTF-8, in characters."""
    return len(sql.encode()[:offset].decode("utf-8", "ignore"))
