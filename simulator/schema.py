"""The tables and columns that a tool result tells of, whichever way it tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from simulator import strict
from simulator.shapes import Json

CREATE = re.compile(
    r"CREATE\s+(?:TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?[\"`\[]?([\w.]+)[\"`\]]?\s*\((.{0,4000}?)\)\s*(?:;|$|\n\n)",
    re.I | re.S,
)
LINE = re.compile(r"^[ \t*#\-|`]*(?:table\s+)?[\"`]?(\w+)[\"`]?\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)", re.I | re.M)
LONGEST = 100_000
"""How much of a schema is read that is no JSON."""
NOT_COLUMNS = frozenset({"primary", "foreign", "unique", "check", "constraint", "key"})


@dataclass(frozen=True)
class Column:
    """A column; its type as the database names it, in lower case, or empty."""

    name: str
    type: str = ""

    @property
    def numeric(self) -> bool:
        """Whether it holds numbers."""
        return any(word in self.type for word in ("int", "num", "dec", "real", "float", "double", "money"))


@dataclass(frozen=True)
class Table:
    """A table or view. Without columns only its name is known."""

    name: str
    columns: tuple[Column, ...] = ()


def tables_in(text: str) -> tuple[Table, ...]:
    """Return the tables that `text` tells of: JSON, `CREATE TABLE`, or lines such as `name (a, b)`."""
    try:
        found = list(_in_json(strict.loads(text)))
    except ValueError:
        text = text[:LONGEST]
        found = [Table(name.split(".")[-1], _columns(inside)) for name, inside in CREATE.findall(text)]
        found = found or [Table(name, _columns(inside)) for name, inside in LINE.findall(text)]
    return tuple({table.name: table for table in found}.values())


def _in_json(value: Any) -> Iterator[Table]:
    if isinstance(value, list):
        for one in cast(list[Any], value):
            if isinstance(one, str) and re.fullmatch(r"\w+", one):
                yield Table(one)
            else:
                yield from _in_json(one)
    elif isinstance(value, dict):
        yield from _in_object(cast(Json, value))


def _in_object(value: Json) -> Iterator[Table]:
    name = value.get("name") or value.get("table") or value.get("table_name")
    columns: Any = value.get("columns")
    if isinstance(name, str) and (isinstance(columns, list) or value.get("kind") in ("table", "view")):
        yield Table(name, tuple(_column(one) for one in cast(list[Any], columns or [])))
        return
    for key, one in value.items():
        if isinstance(one, dict) and isinstance(cast(Json, one).get("columns"), list):
            yield from _in_object({"name": key, **cast(Json, one)})
        elif isinstance(one, list | dict) and key not in ("indexes", "foreign_keys"):
            yield from _in_json(one)


def _column(value: Any) -> Column:
    if isinstance(value, dict):
        known = cast(Json, value)
        return Column(str(known.get("name", "")), str(known.get("type", "")).lower())
    name, _, kind = str(value).partition(" ")
    return Column(name.strip('"`:'), kind.lower())


def _columns(inside: str) -> tuple[Column, ...]:
    flat = re.sub(r"\([^()]*\)", "", inside)
    parts = [part.strip().strip('"`') for part in flat.split(",")]
    return tuple(
        _column(part.replace('"', "").replace(":", " "))
        for part in parts
        if part and part.split()[0].lower() not in NOT_COLUMNS
    )
