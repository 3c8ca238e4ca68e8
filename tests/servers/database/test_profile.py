"""db_profile: the figures of a profile are those that counting by hand gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.database.engine import Engine
from servers.database.profile import ColumnProfile, Profile, profile
from servers.database.sources import Source, parse
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import BIG, asking, lasting, opened, refusal, sqlite_file

LAWS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-5, 5)),
        st.one_of(st.none(), st.sampled_from(["", "a", "b", "c", "d", "e", "f", "g"])),
        st.one_of(st.none(), st.floats(-2, 2, width=16)),
    ),
    max_size=30,
)


def by_hand(values: Sequence[Any]) -> dict[str, Any]:
    """The figures of one column, counted in Python."""
    there = [value for value in values if value is not None]
    counts = Counter(there)
    return {
        "nulls": len(values) - len(there),
        "distinct": len(counts),
        "min": min(there, default=None),
        "max": max(there, default=None),
        "top": sorted(counts.values(), reverse=True)[:5],
    }


def figures(column: ColumnProfile, values: Sequence[Any]) -> dict[str, Any]:
    """The same of a profile; each of its commonest values must be as common as it says."""
    counts = Counter(values)
    assert [each.count for each in column.top] == [counts[each.value] for each in column.top]
    top = [each.count for each in column.top]
    return {"nulls": column.nulls, "distinct": column.distinct, "min": column.min, "max": column.max, "top": top}


def compare(result: Profile, rows: Sequence[tuple[Any, ...]]) -> None:
    """Compare a profile of `r` with counting by hand."""
    assert (result.rows, result.complete) == (len(rows), True)
    for place, column in enumerate(result.columns):
        values = [row[place] for row in rows]
        assert figures(column, values) == by_hand(values)


async def profiled(engine: Engine) -> Profile:
    return await profile(engine, "r", None, 1_000, 20.0)


def test_a_profile_of_sqlite_is_what_counting_gives(tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "r.db", "CREATE TABLE r (a INTEGER, b TEXT, c REAL)")
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = off").fetchall()
    with lasting(parse(str(path))) as ask:

        @LAWS
        @given(rows=ROWS)
        def law(rows: Sequence[tuple[Any, ...]]) -> None:
            connection.execute("DELETE FROM r").fetchall()
            connection.executemany("INSERT INTO r VALUES (?, ?, ?)", rows).fetchall()
            compare(ask(profiled), rows)

        law()
    connection.close()


def test_a_profile_of_postgresql_is_what_counting_gives(scratch: Postgres) -> None:
    scratch.run('DROP TABLE IF EXISTS r; CREATE TABLE r (a integer, b text COLLATE "C", c float8)')
    scratch.run("GRANT SELECT ON r TO mcp_reader")
    with psycopg.connect(scratch.mighty, autocommit=True) as connection, lasting(parse(scratch.reader)) as ask:

        @LAWS
        @given(rows=ROWS)
        def law(rows: Sequence[tuple[Any, ...]]) -> None:
            connection.execute("TRUNCATE r")
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO r VALUES (%s, %s, %s)", rows)
            compare(ask(profiled), rows)

        law()


@pytest.mark.anyio
async def test_a_large_table_is_sampled_and_that_is_told(source: Source) -> None:
    async with opened(source) as engine:
        part = await profile(engine, "big", ["id"], 100, 20.0)
        whole = await profile(engine, "big", ["id", "T"], BIG, 20.0)
    assert 10 <= part.rows <= 100
    assert not part.complete
    assert part.columns[0].distinct == part.rows
    assert (whole.rows, whole.complete) == (BIG, True)
    assert (whole.columns[0].min, whole.columns[0].max, whole.columns[1].distinct) == (1, BIG, BIG)


@pytest.mark.anyio
async def test_types_without_an_order_are_profiled_as_text(postgres: Postgres) -> None:
    postgres.run(
        "CREATE TABLE odd (j json, b boolean, p point, u uuid, a int[], x jsonb, n bytea);"
        "GRANT SELECT ON odd TO mcp_reader;"
        "INSERT INTO odd VALUES ('{\"a\": 1}', true, '(1,2)', gen_random_uuid(), '{1}', '[]', 'x');"
        "INSERT INTO odd (b) VALUES (false)"
    )
    async with opened(parse(postgres.reader)) as engine:
        result = await profile(engine, "public.odd", None, 100, 20.0)
    assert [(each.name, each.nulls, each.distinct) for each in result.columns] == [
        ("j", 1, 1), ("b", 0, 2), ("p", 1, 1), ("u", 1, 1), ("a", 1, 1), ("x", 1, 1), ("n", 1, 1)
    ]  # fmt: skip


@pytest.mark.anyio
async def test_a_missing_table_or_column_is_told_with_the_nearest(source: Source) -> None:
    async with asking(source) as client:
        assert "victim" in await refusal(client, "db_profile", {"table": "victims"})
        assert "note" in await refusal(client, "db_profile", {"table": "victim", "columns": ["notes"]})
