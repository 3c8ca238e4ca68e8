"""Any statement as a capped sub-select, and its texts as values again; `values.py` says what becomes of each type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from servers.database.engine import Column, Window
from servers.database.values import json_value

AS_THEY_ARE = ("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL")
UNSIGNED = tuple(f"U{each}" for each in AS_THEY_ARE if "INT" in each)


@dataclass(frozen=True)
class Shape:
    """The columns that a statement gives."""

    columns: Sequence[Column]

    @property
    def types(self) -> list[str]:
        """The engine's names of their types."""
        return [column.type for column in self.columns]


def nested(type_: str) -> bool:
    """Whether values of a type are told as JSON arrays and objects."""
    return type_.endswith("]") or type_.startswith(("STRUCT", "MAP", "UNION", "JSON", "VARIANT"))


def capped(cell: str, type_: str, limit: int) -> str:
    """Return the expression that takes at most `limit` characters of a cell."""
    if nested(type_):
        return f"left(to_json({cell})::VARCHAR, {limit})"
    if type_.startswith(AS_THEY_ARE + UNSIGNED):
        return cell
    if type_ == "BLOB":
        return f"octet_length({cell})"
    return f"left({cell}::VARCHAR, {limit})"


def wrapped(sql: str, shape: Shape, window: Window) -> str:
    """Return the statement as a sub-select with its cells and rows capped."""
    cells = ", ".join(capped(f"q.c{place}", each, window.max_cell + 1) for place, each in enumerate(shape.types))
    names = ", ".join(f"c{place}" for place in range(len(shape.types)))
    return f"SELECT {cells} FROM (\n{sql}\n) AS q({names}) LIMIT {window.max_rows + 1} OFFSET {window.offset}"


def reader(type_: str, limit: int, folder: str) -> Callable[[Any], Any]:
    """Return what makes a value of the capped cell of a type. The engine knows the folder's path; nobody else shall."""
    if nested(type_):

        def parsed(cell: str | None) -> Any:
            cell = cell and cell.replace(folder, "")
            return json_value(cell) if cell and len(cell) <= limit else cell

        return parsed
    if type_ == "BLOB":
        return lambda size: None if size is None else {"$bytes": size}
    return lambda cell: cell.replace(folder, "") if isinstance(cell, str) else cell
