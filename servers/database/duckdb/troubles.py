"""What DuckDB says when it refuses, in our errors. Its messages hold the nearest names and the place."""

from __future__ import annotations

import re

import duckdb

from servers.database.errors import (
    DatabaseError,
    NoSuchThing,
    Refused,
    TooLarge,
    TooSlow,
    Unavailable,
    WrongStatement,
)
from servers.database.statements import located

ONLY_READS = "Only a statement that reads is run here: SELECT, WITH ... SELECT, VALUES, FROM. Files are not written."
PLACE = re.compile(r"\n+LINE \d+: .*", re.DOTALL)


def explained(error: Exception, sql: str) -> DatabaseError:
    """Return our error for one of DuckDB."""
    text = PLACE.sub("", str(error)).strip().replace("\n", " ")
    text = text.split(" Database is launched")[0].removesuffix(".")[:1_000]
    match error:
        case duckdb.InterruptException():
            return TooSlow("Stopped before it ended.")
        case duckdb.OutOfMemoryException():
            return TooLarge("The statement needs more memory than it may use. Aggregate, or select less.")
        case duckdb.PermissionException():
            return Refused("Only the tables of this source can be read, no other file or address. Call db_schema.")
        case duckdb.CatalogException() if "Table with name" in text:
            return NoSuchThing(f"{text}. Call db_schema to see the tables.")
        case duckdb.IOException():
            return Unavailable(f"A file of this source cannot be read: {text}. Ask the operator.")
        case duckdb.InternalException() | duckdb.FatalException():
            return Unavailable("DuckDB failed at this statement. Write it differently.")
        case _:
            return WrongStatement(f"{text}{placed(str(error), sql)}.")


def placed(message: str, sql: str) -> str:
    """Return where in the statement DuckDB points to, if it does."""
    found = re.search(r"\nLINE (\d+): (.*)\n( *)\^", message)
    if found is None:
        return ""
    lines = sql.split("\n")
    prefix = len(f"LINE {found[1]}: ")
    word = found[2][max(0, len(found[3]) - prefix) :][:30]
    for number, line in enumerate(lines):
        if word and (column := line.find(word)) >= 0:
            return located(sql, sum(len(each) + 1 for each in lines[:number]) + column)
    return ""
