"""What is in a folder of data files: its tables, their columns and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duckdb import DuckDBPyConnection

from servers.database.duckdb.folder import DataFile
from servers.database.engine import Found, Kind, Search, Table, TableColumn

MAIN = "main"
FIND: dict[Kind, str] = {
    "table": "SELECT view_name AS name, NULL, NULL FROM duckdb_views() WHERE NOT internal",
    "column": "SELECT column_name AS name, table_name, data_type FROM duckdb_columns() WHERE NOT internal",
    "function": "SELECT DISTINCT function_name AS name, NULL, array_to_string(parameters, ', ') FROM duckdb_functions()"
    " WHERE function_type IN ('scalar', 'aggregate', 'macro') AND regexp_matches(function_name, '^[a-z]')",
    "schema": "SELECT 'main' AS name, NULL, NULL",
}


def find(cursor: DuckDBPyConnection, search: Search, files: Sequence[DataFile]) -> list[Found]:
    """Return the objects that match, by name; a folder has neither views nor indexes."""
    if search.kind not in FIND or search.schema not in (None, MAIN):
        return []
    sql = f"FROM ({FIND[search.kind]}) WHERE lower(name) LIKE ? ESCAPE '\\' ORDER BY ALL LIMIT ? OFFSET ?"
    rows: list[tuple[Any, ...]] = cursor.execute(sql, [search.like, search.limit, search.offset]).fetchall()
    sources = {file.table: file.path for file in files}
    return [
        Found(MAIN, name, search.kind, table, type_, sources.get(name) if table is None else None)
        for name, table, type_ in rows
    ]


def describe(cursor: DuckDBPyConnection, name: str, files: Sequence[DataFile]) -> Table | None:
    """Return one table with its columns; None if there is none of that name."""
    file = next((file for file in files if file.table == name.lower()), None)
    if file is None:
        return None
    rows: list[tuple[Any, ...]] = cursor.execute(
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND NOT internal"
        " ORDER BY column_index",
        [file.table],
    ).fetchall()
    return (
        Table(MAIN, file.table, "table", [TableColumn(*row) for row in rows], comment=f"file {file.path}")
        if rows
        else None
    )


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
