"""What the columns of a table hold, from one bounded sample: nulls, distinct values, range, the commonest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from servers.database.engine import Engine, Statement, Table, TableColumn, Window
from servers.database.errors import NoSuchThing, Refused, WrongStatement
from servers.database.hints import nearest
from servers.database.schema import located_table

TOP = 5
MOST_COLUMNS = 100
CELL = 200
SUMMARY = Window(max_rows=1, max_cell=CELL)
COMMONEST = Window(max_rows=TOP, max_cell=CELL)


@dataclass(frozen=True)
class Common:
    """A value, and how often it is there."""

    value: Any
    count: int


@dataclass(frozen=True)
class ColumnProfile:
    """What a column holds in the sample. Values are JSON values, texts cut at 200 characters."""

    name: str
    type: str
    nulls: int
    distinct: int
    """Without null."""
    min: Any
    max: Any
    top: list[Common]


@dataclass
class Profile:
    """What a table holds; `columns` are fewer than asked for when time ran out."""

    table: str
    rows: int = 0
    """How many were looked at."""
    complete: bool = True
    """Whether the sample is the whole table."""
    timed_out: bool = False
    columns: list[ColumnProfile] = field(default_factory=list[ColumnProfile])


async def profile(engine: Engine, name: str, columns: Sequence[str] | None, sample: int, seconds: float) -> Profile:
    """Profile a table, or some of its columns. Raises `NoSuchThing`, and what the engine raises."""
    table = await located_table(engine, name)
    wanted = chosen(table, columns)
    result = Profile(table.name)
    with anyio.move_on_after(seconds) as limit:
        source = await engine.sample((table.schema, table.name), sample)
        result.rows = await counted(engine, source)
        if result.rows >= sample:
            every = await engine.sample((table.schema, table.name), sample + 1)
            result.complete = await counted(engine, every) <= sample
        for column in wanted:
            result.columns.append(await profiled(engine, source, column))
    result.timed_out = limit.cancelled_caught
    return result


def chosen(table: Table, columns: Sequence[str] | None) -> Sequence[TableColumn]:
    """Return the columns to profile. Raises `NoSuchThing` for a name that the table does not have."""
    if not columns:
        return table.columns[:MOST_COLUMNS]
    by_name = {column.name.lower(): column for column in table.columns}
    for name in columns:
        if name.lower() not in by_name:
            raise NoSuchThing(
                f"No column {name!r} in {table.name}.{nearest(name, [each.name for each in table.columns])}"
            )
    return [by_name[name.lower()] for name in columns]


async def counted(engine: Engine, source: str) -> int:
    """Return how many rows a sub-select gives."""
    answer = await engine.query(Statement(f"SELECT count(*) FROM {source} AS s"), SUMMARY)
    return int(answer.rows[0][0])


async def profiled(engine: Engine, source: str, column: TableColumn) -> ColumnProfile:
    """Profile one column; values that have no order of their own are taken as their texts."""
    cell = '"' + column.name.replace('"', '""') + '"'
    try:
        return await measured(engine, source, column, cell)
    except (WrongStatement, NoSuchThing, Refused):
        return await measured(engine, source, column, f"CAST({cell} AS VARCHAR)")


async def measured(engine: Engine, source: str, column: TableColumn, cell: str) -> ColumnProfile:
    """Ask for the figures of one column."""
    figures = f"count(*) - count({cell}), count(DISTINCT {cell}), min({cell}), max({cell})"
    answer = await engine.query(Statement(f"SELECT {figures} FROM {source} AS s"), SUMMARY)
    ((nulls, distinct, low, high),) = answer.rows
    groups = f"SELECT {cell}, count(*) FROM {source} AS s WHERE {cell} IS NOT NULL GROUP BY {cell}"
    common = await engine.query(Statement(f"{groups} ORDER BY 2 DESC, 1 LIMIT {TOP}"), COMMONEST)
    return ColumnProfile(column.name, column.type, nulls, distinct, low, high, [Common(*row) for row in common.rows])
