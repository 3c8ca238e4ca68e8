"""Any statement as a capped sub-select, and its texts as values again.

The caps work inside the server: a cell of a type without fixed length leaves it as text of at most so many characters,
bytes as their number. What cannot be a sub-select (a write in a CTE, COPY, DO, SELECT INTO) does not get past this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from servers.database.engine import Column, Window
from servers.database.statements import unended
from servers.database.values import json_value

NUMBERS = {20, 21, 23, 26}  # int8, int2, int4, oid
DOUBLES = {700, 701}
BOOL, BYTEA, NUMERIC, BPCHAR, INET = 16, 17, 1700, 1042, 869
JSONS = {114, 3802}
CHUNK_BYTES = 8_000_000
"""How much of a result may be on its way at once."""
SMALLEST_CELL = 64


@dataclass(frozen=True)
class Type:
    """A type of the database, as `pg_type` describes it."""

    oid: int
    name: str
    length: int
    """In bytes; negative where it varies."""
    kind: str
    """`typtype`: b(ase), c(omposite), d(omain), e(num), m(ultirange), p(seudo), r(ange)."""
    category: str
    """`typcategory`: A for arrays."""

    @property
    def as_json(self) -> bool:
        """Whether values of it are told as JSON arrays and objects."""
        return self.category == "A" or self.kind == "c" or self.name == "record"


TYPES = (
    "SELECT oid::int8, format_type(oid, NULL), typlen::int4, typtype::text, typcategory::text"
    " FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[])"
)


@dataclass(frozen=True)
class Shape:
    """The columns that a statement gives, and the types of its parameters."""

    columns: Sequence[Column]
    types: Sequence[Type]
    parameters: Sequence[Type]


def cell_limit(shape: Shape, window: Window) -> int:
    """Return how long a cell may be, so that one row is not longer than the whole answer may be."""
    return min(window.max_cell, max(SMALLEST_CELL, window.max_bytes // max(1, len(shape.columns))))


def chunk(shape: Shape, limit: int) -> int:
    """Return how many rows to fetch at a time."""
    width = sum(limit if each.length < 0 else 16 for each in shape.types)
    return max(1, min(200, CHUNK_BYTES // max(1, width)))


def wrapped(sql: str, shape: Shape, window: Window) -> str:
    """Return the statement as a sub-select with its cells and rows capped."""
    limit = cell_limit(shape, window) + 1
    cells = ", ".join(capped(f"q.c{number}", each, limit) for number, each in enumerate(shape.types))
    names = ", ".join(f"c{number}" for number in range(len(shape.types)))
    return f"SELECT {cells} FROM (\n{unended(sql)}\n) AS q({names}) LIMIT {window.max_rows + 1} OFFSET {window.offset}"


def capped(cell: str, of: Type, limit: int) -> str:
    """Return the expression that takes at most `limit` characters of a cell."""
    if of.oid == BYTEA:
        return f"octet_length({cell})"
    if of.as_json:
        return f"left(to_json({cell})::text, {limit})"
    if of.oid in (BPCHAR, INET):  # their casts change them: blanks cut off, a mask put on
        return f"CASE WHEN {cell} IS NOT NULL THEN left(concat({cell}), {limit}) END"
    if of.length < 0:
        return f"left({cell}::text, {limit})"
    return cell if of.oid in NUMBERS | DOUBLES | {BOOL} else f"{cell}::text"


Reader = Callable[[Any], Any]


def read(row: Sequence[Any], readers: Mapping[int, Reader]) -> Sequence[Any]:
    """Return a row with its capped cells read."""
    if not readers:
        return row
    cells = list(row)
    for place, reading in readers.items():
        cells[place] = reading(cells[place])
    return cells


def reader(of: Type, limit: int) -> Reader | None:
    """Return what makes a value of the capped cell of a type, None where it is one."""
    if of.oid == BYTEA:
        return lambda size: None if size is None else {"$bytes": size}
    if of.oid == NUMERIC:
        return lambda text: None if text is None else Decimal(text) if len(text) <= limit else text
    if of.oid in JSONS or of.as_json:
        return lambda text: None if text is None else json_value(text) if len(text) <= limit else text
    return None


def parameters(values: Any, types: Sequence[Type]) -> list[str | None]:
    """Return parameters as texts, which the server reads as the types it wants."""
    given = list(values or ())
    return [as_text(value, types[place] if place < len(types) else None) for place, value in enumerate(given)]


def as_text(value: Any, of: Type | None) -> str | None:
    """Return a JSON value as PostgreSQL reads it: lists as arrays where an array is wanted, else as JSON."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case list() if of is not None and of.category == "A":
            return array(value)  # pyright: ignore[reportUnknownArgumentType]
        case list() | dict():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def array(values: list[Any]) -> str:
    """Return a list as an array literal."""
    return "{" + ",".join(element(value) for value in values) + "}"


def element(value: Any) -> str:
    """Return an element of an array literal."""
    if isinstance(value, list):
        return array(value)  # pyright: ignore[reportUnknownArgumentType]
    text = as_text(value, None)
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
