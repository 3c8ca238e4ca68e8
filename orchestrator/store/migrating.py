"""Bring a SQLite database to the newest schema: numbered SQL files, applied once each, under one write lock."""

from __future__ import annotations

from importlib import resources

import apsw

from orchestrator.errors import StoreError

FOLDER = resources.files("orchestrator.store") / "migrations" / "sqlite"


def newest() -> int:
    """Return the number of the newest schema that this program knows."""
    return max(number for number, _ in steps())


def steps() -> list[tuple[int, str]]:
    """Return the migrations, in order, as number and SQL text."""
    files = [file for file in FOLDER.iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name.split("_")[0]), file.read_text(encoding="utf-8")) for file in files)


def migrate(database: apsw.Connection) -> None:
    """Apply what is missing. Raises `StoreError` if a newer program wrote the database."""
    if version(database) == newest():
        return
    database.execute("begin immediate")  # ... so that what is read here is still so when it is written
    try:
        _apply(database)
    except BaseException:
        if database.in_transaction:
            database.execute("rollback")
        raise
    database.execute("commit")


def _apply(database: apsw.Connection) -> None:
    database.execute("create table if not exists schema_version (number integer primary key) strict")
    have = version(database)  # another process may have been faster
    if have > newest():
        raise StoreError(
            f"The history in {database.filename} was written by a newer version (schema {have}, this one knows "
            f"{newest()}).",
            "Update this program; nothing was changed.",
        )
    for number, sql in steps():
        if number > have:
            database.execute(sql)
            database.execute("insert into schema_version values (?)", (number,))


def version(database: apsw.Connection) -> int:
    """Return the schema's number, 0 for a new file."""
    if not database.execute("select 1 from sqlite_schema where name = 'schema_version'").fetchone():
        return 0
    found = database.execute("select max(number) from schema_version").get
    return int(found or 0)
