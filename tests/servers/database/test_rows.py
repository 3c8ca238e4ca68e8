"""Laws of db_query: whatever is in a table comes back equal, and page by page it is the whole."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import apsw
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.cleaning import clean
from servers.database.engine import Engine, Statement, Window
from servers.database.sources import parse
from servers.database.values import SAFE_INTEGER, plain
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import lasting, opened, sqlite_file

LAWS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WITHOUT_NUL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
VISIBLE = WITHOUT_NUL.map(lambda text: clean(text).text)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
SQLITE_CELLS = st.one_of(st.none(), INTEGERS, st.floats(allow_nan=False), TEXTS, st.binary(max_size=40))


def shown(value: Any) -> Any:
    """What the answer must hold for a value that was written, said once more and differently than in `values.py`."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, bytes):
        return {"$bytes": len(value)}
    if isinstance(value, int):
        return value if abs(value) <= SAFE_INTEGER else str(value)
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        )
    return clean(value).text if isinstance(value, str) else value


async def everything(engine: Engine, sql: str, size: int) -> list[list[Any]]:
    """All rows, page by page."""
    rows: list[list[Any]] = []
    following: int | None = 0
    while following is not None:
        page = await engine.query(Statement(sql), Window(max_rows=size, offset=following))
        rows += page.rows
        following = page.next_offset
    return rows


def test_any_rows_come_back_equal_from_sqlite_and_page_by_page(tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "rows.db", "CREATE TABLE r (n INTEGER PRIMARY KEY, a, b, c)")
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = off").fetchall()
    sql = "SELECT a, b, c FROM r ORDER BY n"

    with lasting(parse(str(path))) as ask:

        @LAWS
        @given(rows=st.lists(st.tuples(SQLITE_CELLS, SQLITE_CELLS, SQLITE_CELLS), max_size=12), size=st.integers(1, 7))
        def law(rows: Sequence[tuple[Any, ...]], size: int) -> None:
            connection.execute("DELETE FROM r").fetchall()
            connection.executemany("INSERT INTO r (a, b, c) VALUES (?, ?, ?)", rows).fetchall()
            whole = ask(lambda engine: engine.query(Statement(sql), Window(max_rows=100))).rows
            assert whole == [[shown(cell) for cell in row] for row in rows]
            assert ask(lambda engine: everything(engine, sql, size)) == whole

        law()
    connection.close()


DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=6)
SCALARS = {
    "int2": st.integers(-(2**15), 2**15 - 1),
    "int4": st.integers(-(2**31), 2**31 - 1),
    "int8": INTEGERS,
    "float4": st.floats(width=32),
    "float8": st.floats(),
    "numeric": DECIMALS,
    "bool": st.booleans(),
    "text": WITHOUT_NUL,
    "varchar(80)": WITHOUT_NUL,
    "bytea": st.binary(max_size=40),
    "date": st.dates(),
    "timestamp": st.datetimes(),
    "uuid": st.uuids(),
    "jsonb": st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-SAFE_INTEGER, SAFE_INTEGER), WITHOUT_NUL),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(VISIBLE, inner, max_size=3)),
        max_leaves=6,
    ),
    "int8[]": st.lists(st.one_of(st.none(), INTEGERS), max_size=5),
    "text[]": st.lists(st.one_of(st.none(), WITHOUT_NUL), max_size=4),
}


def same(type_: str, wrote: Any, read: Any) -> bool:
    """Whether a cell of PostgreSQL is the value that was written."""
    if wrote is None or read is None:
        return read is None and (wrote is None or (isinstance(wrote, float) and math.isnan(wrote)))
    match type_:
        case "float4":
            return read == shown(wrote) or struct.pack("f", float(read)) == struct.pack("f", wrote)
        case "numeric":
            return Decimal(str(read)) == wrote
        case "date":
            return read == wrote.isoformat()
        case "timestamp":
            return datetime.fromisoformat(read) == wrote
        case "uuid":
            return read == str(wrote)
        case "jsonb" | "int8[]" | "text[]":
            return read == hidden_taken_out(plain(wrote))
        case _:
            return read == shown(wrote)


def hidden_taken_out(value: Any) -> Any:
    """A JSON value as the answer shows it."""
    if isinstance(value, str):
        return clean(value).text
    if isinstance(value, list):
        return [hidden_taken_out(item) for item in value]
    if isinstance(value, dict):
        return {clean(key).text: hidden_taken_out(item) for key, item in value.items()}
    return value


ROW = st.tuples(*(st.one_of(st.none(), cells) for cells in SCALARS.values()))


def test_any_rows_of_any_types_come_back_equal_from_postgresql(scratch: Postgres) -> None:
    columns = [f"c{number}" for number in range(len(SCALARS))]
    declared = ", ".join(f"{name} {type_}" for name, type_ in zip(columns, SCALARS, strict=True))
    marks = ", ".join(f"%s::{type_}" for type_ in SCALARS)
    scratch.run(f"DROP TABLE IF EXISTS r; CREATE TABLE r (n serial, {declared}); GRANT SELECT ON r TO mcp_reader")
    sql = f"SELECT {', '.join(columns)} FROM r ORDER BY n"

    with psycopg.connect(scratch.mighty, autocommit=True) as connection, lasting(parse(scratch.reader)) as ask:

        @LAWS
        @given(rows=st.lists(ROW, min_size=1, max_size=6), size=st.integers(1, 4))
        def law(rows: Sequence[tuple[Any, ...]], size: int) -> None:
            connection.execute("TRUNCATE r")
            for row in rows:
                connection.execute(f"INSERT INTO r ({', '.join(columns)}) VALUES ({marks})".encode(), written(row))
            whole = ask(lambda engine: engine.query(Statement(sql), Window(max_rows=100))).rows
            assert ask(lambda engine: everything(engine, sql, size)) == whole
            assert len(whole) == len(rows)
            for wrote, read in zip(rows, whole, strict=True):
                cells = zip(SCALARS, wrote, read, strict=True)
                assert [cell for cell in cells if not same(*cell)] == []

        law()


def written(row: Sequence[Any]) -> list[Any]:
    """A row as psycopg takes it."""
    return [
        json.dumps(cell) if type_ == "jsonb" and cell is not None else cell
        for type_, cell in zip(SCALARS, row, strict=True)
    ]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("'NaN'::float8", None),
        ("'-Infinity'::float8", "-Infinity"),
        ("'NaN'::numeric", None),
        ("9007199254740993::int8", "9007199254740993"),
        ("12.50::numeric(10,2)", 12.5),
        ("123456789012345678.90::numeric", "123456789012345678.90"),
        ("'ab'::char(4)", "ab  "),
        ("'10.0.0.1'::inet", "10.0.0.1"),
        ("'2020-02-29 12:00:00.5+00'::timestamptz AT TIME ZONE 'UTC'", "2020-02-29 12:00:00.5"),
        ("'1 year 2 mons 3 days 04:05:06'::interval", "1 year 2 mons 3 days 04:05:06"),
        ("'294276-01-01'::timestamp", "294276-01-01 00:00:00"),
        ("'4713-01-01 BC'::date", "4713-01-01 BC"),
        ("'infinity'::date", "infinity"),
        ("ROW(1, 'a')", {"f1": 1, "f2": "a"}),
        ("ARRAY[[1,2],[3,4]]", [[1, 2], [3, 4]]),
        ("int4range(1, 5)", "[1,5)"),
        ("point(1, 2)", "(1,2)"),
        ("'a'::\"char\"", "a"),
        ("NULL", None),
        ("'{\"n\": 123456789012345678901, \"d\": 1.10}'::jsonb", {"n": "123456789012345678901", "d": 1.1}),
        ("B'101'", "101"),
        ("12::oid", 12),
        ("'victim'::regclass", "victim"),
        ("chr(27) || '[31m' || chr(8238) || 'x'", "[31mx"),
    ],
)  # fmt: skip
async def test_a_value_of_postgresql_is_shown_as(world: Postgres, sql: str, expected: Any) -> None:
    async with opened(parse(world.reader)) as engine:
        answer = await engine.query(Statement(f"SELECT {sql}"), Window())
    assert answer.rows == [[expected]]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("1::HUGEINT << 100", "1267650600228229401496703205376"),
        ("12.50::DECIMAL(10,2)", 12.5),
        ("'nan'::DOUBLE", None),
        ("INTERVAL '1 month'", "1 month"),
        ("'290000-01-01'::TIMESTAMP", "290000-01-01 00:00:00"),
        ("'infinity'::DATE", "infinity"),
        ("[1, NULL, 3]", [1, None, 3]),
        ("{'a': 1, 'b': 'x'}", {"a": 1, "b": "x"}),
        ("MAP {'k': 1}", {"k": 1}),
        ("'\\x00\\x01'::BLOB", {"$bytes": 2}),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ("TIME '01:02:03'", "01:02:03"),
        ("TRUE", True),
        ("18446744073709551615::UBIGINT", "18446744073709551615"),
        ("'{\"x\": [1]}'::JSON", {"x": [1]}),
        ("chr(27) || 'x'", "x"),
    ],
)  # fmt: skip
async def test_a_value_of_duckdb_is_shown_as(tmp_path: Path, sql: str, expected: Any) -> None:
    async with opened(parse(f"duckdb:{tmp_path}")) as engine:
        answer = await engine.query(Statement(f"SELECT {sql}"), Window())
    assert answer.rows == [[expected]]


@pytest.mark.anyio
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le", "UTF-16be"])
async def test_text_that_is_no_text_is_shown_with_marks(tmp_path: Path, encoding: str) -> None:
    rows = "('héllo', 1), (CAST(x'ff00d8' AS TEXT), 2)"
    sql = f"PRAGMA encoding = '{encoding}'; CREATE TABLE r (a TEXT, b); INSERT INTO r VALUES {rows}"
    async with opened(parse(str(sqlite_file(tmp_path / "odd.db", sql)))) as engine:
        answer = await engine.query(Statement("SELECT a, b FROM r ORDER BY b;"), Window())
        second = await engine.query(Statement("SELECT a, b FROM r ORDER BY b -- all"), Window(max_rows=1, offset=1))
    assert answer.rows[0] == ["héllo", 1]
    assert answer.rows[1][1] == 2
    assert [column.name for column in answer.columns] == ["a", "b"]
    assert second.rows == answer.rows[1:]


@pytest.mark.anyio
async def test_keys_that_differ_only_in_what_nobody_sees_are_both_kept(world: Postgres) -> None:
    async with opened(parse(world.reader)) as engine:
        answer = await engine.query(Statement('SELECT \'{"k": 1, "k\\u200b": 2}\'::json'), Window())
    assert answer.rows == [[{"k": 1, "k\\u200b": 2}]]
