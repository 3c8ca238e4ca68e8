"""What is in a SQLite database: tables, columns, indexes and references, read from the schema, never by counting."""

from __future__ import annotations

from typing import Any

import apsw

from servers.database.engine import ForeignKey, Found, Index, Search, Table, TableColumn

MAIN = "main"
OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
FIND = {
    "table": "SELECT name, NULL, NULL FROM ({objects}) WHERE type = 'table'",
    "view": "SELECT name, NULL, NULL FROM ({objects}) WHERE type = 'view'",
    "index": "SELECT name, tbl_name, NULL FROM ({objects}) WHERE type = 'index'",
    "column": "SELECT c.name AS name, o.name, c.type FROM ({objects}) o JOIN pragma_table_xinfo(o.name) c"
    " WHERE o.type IN ('table', 'view')",
    "function": "SELECT DISTINCT name, NULL, type || '(' || narg || ')' FROM pragma_function_list WHERE 1",
    "schema": "SELECT 'main' AS name, NULL, NULL WHERE 1",
}


def rows_of(connection: apsw.Connection, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the rows of a query of ours."""
    return connection.execute(sql, values).fetchall()


def find(connection: apsw.Connection, search: Search) -> list[Found]:
    """Return the objects that match, by name."""
    if search.schema not in (None, MAIN):
        return []
    body = FIND[search.kind].format(objects=OBJECTS)
    name = "c.name" if search.kind == "column" else "name"
    sql = f"{body} AND lower({name}) LIKE ? ESCAPE '\\' ORDER BY 1, 2, 3 LIMIT ? OFFSET ?"
    rows = rows_of(connection, sql, (search.like, search.limit, search.offset))
    return [Found(MAIN, str(name), search.kind, table, kind or None) for name, table, kind in rows]


def names(connection: apsw.Connection) -> list[str]:
    """Return the names of tables, views and columns, for advice on misspelt ones."""
    columns = f"SELECT c.name FROM ({OBJECTS}) o JOIN pragma_table_xinfo(o.name) c"
    try:
        return [
            str(name) for (name,) in rows_of(connection, f"SELECT name FROM ({OBJECTS}) UNION {columns} LIMIT 20000")
        ]
    except apsw.Error:
        return []


def describe(connection: apsw.Connection, name: str) -> Table | None:
    """Return one table or view, or None if there is none of that name."""
    found = rows_of(
        connection,
        f"SELECT name, type FROM ({OBJECTS}) WHERE type IN ('table', 'view') AND lower(name) = lower(?)",
        (name,),
    )
    if not found:
        return None
    name, kind = found[0]
    columns = [
        TableColumn(str(column), str(type_), not required and not pk, default, bool(pk))
        for column, type_, required, default, pk in rows_of(
            connection,
            'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?) WHERE hidden IN (0, 2, 3)',
            (name,),
        )
    ]
    return Table(
        MAIN,
        name,
        kind,
        columns,
        foreign_keys(connection, name),
        indexes(connection, name),
        row_estimate=estimate(connection, name) if kind == "table" else None,
    )


def foreign_keys(connection: apsw.Connection, name: str) -> list[ForeignKey]:
    """Return the references of a table; an omitted target column means its primary key."""
    keys: dict[int, ForeignKey] = {}
    rows = rows_of(
        connection, 'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (name,)
    )
    for number, table, column, target in rows:
        key = keys.setdefault(number, ForeignKey([], table, []))
        key.columns.append(column)
        if target is not None:
            key.references.append(target)
    return list(keys.values())


def indexes(connection: apsw.Connection, name: str) -> list[Index]:
    """Return the indexes of a table, those that its constraints made included."""
    rows = rows_of(connection, 'SELECT name, "unique" FROM pragma_index_list(?) ORDER BY name', (name,))
    return [
        Index(
            str(index),
            [
                column or "(expression)"
                for (column,) in rows_of(connection, "SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))
            ],
            bool(unique),
        )
        for index, unique in rows
    ]


def estimate(connection: apsw.Connection, name: str) -> int | None:
    """Return about how many rows a table has: from ANALYZE if it was run, else its highest rowid."""
    try:
        rows = rows_of(connection, "SELECT stat FROM sqlite_stat1 WHERE tbl = ? LIMIT 1", (name,))
        return int(rows[0][0].split()[0])
    except (apsw.SQLError, IndexError, ValueError):
        pass
    try:
        ((highest,),) = rows_of(connection, f"SELECT max(rowid) FROM {quoted(name)}")
    except apsw.Error:  # WITHOUT ROWID, or a virtual table
        return None
    return int(highest or 0)


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def sample(connection: apsw.Connection, name: str, rows: int) -> str:
    """Return a sub-select of at most `rows` rows: all of a small table, rows at even distances of a large one."""
    table = quoted(name)
    ((there,),) = rows_of(connection, f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {rows + 1})")
    first_ones = f"(SELECT * FROM {table} LIMIT {rows})"
    if there <= rows:
        return first_ones
    try:
        ((low, high),) = rows_of(connection, f"SELECT min(rowid), max(rowid) FROM {table}")
    except apsw.Error:
        return first_ones
    steps = f"WITH RECURSIVE step(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM step WHERE i < {rows - 1})"
    place = f"{low} + i * {high - low} / {max(rows - 1, 1)}"
    ids = f"{steps} SELECT (SELECT min(rowid) FROM {table} WHERE rowid >= {place}) FROM step"
    return f"(SELECT * FROM {table} WHERE rowid IN ({ids}))"
