"""Finding one's way in a database: a page of the objects that match a pattern, as much of each as was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from servers.database.engine import Engine, Found, Kind, Search, Table
from servers.database.errors import NoSuchThing
from servers.database.hints import nearest

Detail = Literal["names", "summary", "full"]
MOST_DESCRIBED = 100
"""Tables of one page whose columns are told."""


@dataclass(frozen=True)
class Listing:
    """A page of objects: what was found, and the tables among them if their columns were asked for."""

    found: Sequence[Found]
    tables: Sequence[Table]
    more: bool
    """Whether objects follow after this page."""


def like(pattern: str) -> str:
    """Return a glob (`*`, `?`) or a part of a name as a LIKE pattern in lower case with `\\` as escape."""
    escaped = pattern.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    if "*" not in pattern and "?" not in pattern:
        return f"%{escaped}%"
    return escaped.replace("*", "%").replace("?", "_")


async def listing(
    engine: Engine, pattern: str, kind: Kind, schema: str | None, detail: Detail, limit: int, offset: int
) -> Listing:
    """Return the objects of a kind whose names match, from `offset` on. Raises `DatabaseError`."""
    describing = detail != "names" and kind in ("table", "view")
    limit = min(limit, MOST_DESCRIBED) if describing else limit
    found = await engine.find(Search(kind, like(pattern), schema, limit + 1, offset))
    shown = found[:limit]
    tables = await engine.describe([(each.schema, each.name) for each in shown]) if describing and shown else []
    return Listing(shown, tables, len(found) > limit)


async def located_table(engine: Engine, name: str) -> Table:
    """Return a table by `name` or `schema.name`. Raises `NoSuchThing` with the nearest names."""
    candidates = [(engine.default_schema, name)]
    if "." in name:
        schema, _, rest = name.partition(".")
        candidates.append((schema.strip('"'), rest.strip('"')))
    for candidate in candidates:
        if found := await engine.describe([candidate]):
            return found[0]
    known = [each.name for each in await engine.find(Search("table", "%", None, 1_000, 0))]
    raise NoSuchThing(f"No table {name!r}.{nearest(name, known)}")


def ddl(engine: Engine, tables: Sequence[Table]) -> str:
    """Return tables as compact DDL, one line for a column."""
    return "\n".join(table_ddl(table, engine.default_schema) for table in tables)


def table_ddl(table: Table, default_schema: str) -> str:
    """Return one table as compact DDL."""
    name = table.name if table.schema == default_schema else f"{table.schema}.{table.name}"
    lines: list[str] = []
    for column in table.columns:
        rule = " PRIMARY KEY" if column.pk else "" if column.nullable else " NOT NULL"
        lines.append(f"  {column.name} {column.type}{rule}")
    lines += [
        f"  FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.table} ({', '.join(key.references)})"
        for key in table.foreign_keys
    ]
    return f"{table.kind.upper()} {name} (\n" + ",\n".join(lines) + "\n)"
