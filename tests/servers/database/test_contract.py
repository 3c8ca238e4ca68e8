"""What every engine behind the seam must do, SQLite, PostgreSQL and DuckDB alike."""

from __future__ import annotations

import re
from contextlib import suppress

import anyio
import pytest

from servers.database.engine import Change, Search, Statement, Window
from servers.database.errors import DatabaseError, NoSuchThing, Refused, TooSlow, WrongStatement
from servers.database.sources import Bounds, Source
from tests.servers.database.stage import BIG, VICTIMS, opened

pytestmark = pytest.mark.anyio
ENDLESS = "SELECT count(*) FROM big a, big b, big c WHERE a.id + b.id + c.id < 0"


async def test_rows_come_with_their_columns(source: Source) -> None:
    async with opened(source) as engine:
        answer = await engine.query(Statement("SELECT id, note FROM victim ORDER BY id"), Window())
    assert [column.name for column in answer.columns] == ["id", "note"]
    assert answer.rows == VICTIMS
    assert answer.truncated is None
    assert answer.next_offset is None


async def test_pages_are_the_whole_and_say_where_they_go_on(source: Source) -> None:
    statement = Statement("SELECT id, t FROM big ORDER BY id")
    async with opened(source) as engine:
        rows: list[list[object]] = []
        page = await engine.query(statement, Window(max_rows=5_000, max_bytes=10_000_000))
        rows += page.rows
        while (following := page.next_offset) is not None:
            assert page.truncated == "rows"
            page = await engine.query(statement, Window(5_000, following, 10_000_000))
            rows += page.rows
    assert rows == [[number, f"row {number}"] for number in range(1, BIG + 1)]


async def test_an_answer_stops_at_its_bytes_and_goes_on_at_the_next_row(source: Source) -> None:
    statement = Statement("SELECT id, t FROM big ORDER BY id")
    async with opened(source) as engine:
        page = await engine.query(statement, Window(max_rows=5_000, max_bytes=1_000))
        assert page.truncated == "bytes"
        assert page.next_offset == len(page.rows) < 100
        after = await engine.query(statement, Window(max_rows=1, offset=page.next_offset or 0))
    assert after.rows[0][0] == len(page.rows) + 1


async def test_a_long_cell_is_cut_and_marked(source: Source) -> None:
    async with opened(source) as engine:
        statement = Statement("SELECT replace(note, 'keep', 'abcdefghijklmnopqrstuvwxyz') FROM victim WHERE id = 1")
        answer = await engine.query(statement, Window(max_cell=5))
    assert answer.rows == [["abcde…"]]
    assert answer.truncated == "cell"


async def test_parameters_are_values_and_never_text(source: Source) -> None:
    marker = "$1" if source.dialect == "postgresql" else "?"
    async with opened(source) as engine:
        found = await engine.query(Statement(f"SELECT id FROM victim WHERE note = {marker}", ["keep2"]), Window())
        none = await engine.query(Statement(f"SELECT id FROM victim WHERE note = {marker}", ["x' OR '1'='1"]), Window())
    assert (found.rows, none.rows) == ([[2]], [])


@pytest.mark.parametrize("params", [None, [], [1, 2, 3]])
async def test_missing_or_needless_parameters_are_wrong(source: Source, params: list[object] | None) -> None:
    marker = "$1" if source.dialect == "postgresql" else "?"
    async with opened(source) as engine:
        with pytest.raises(WrongStatement):
            await engine.query(Statement(f"SELECT id FROM victim WHERE note = {marker}", params), Window())


async def test_a_misspelt_column_is_told_with_its_place_and_the_nearest(source: Source) -> None:
    async with opened(source) as engine:
        with pytest.raises(WrongStatement, match="line 2, column 8, near 'nots FROM victim'") as wrong:
            await engine.query(Statement("SELECT id,\n       nots FROM victim"), Window())
    assert re.search(r"\bnote\b", str(wrong.value))


async def test_a_misspelt_table_is_told_with_the_nearest(source: Source) -> None:
    async with opened(source) as engine:
        with pytest.raises(NoSuchThing, match=r"victm.*victim"):
            await engine.query(Statement("SELECT * FROM victm"), Window())


@pytest.mark.parametrize(
    ("sql", "ending"),
    [
        ("SELECT 1 AS one;", ""),
        ("SELECT 1 AS one ; -- done", ""),
        ("SELECT ';--' AS one", ";--"),
        ("SELECT 1 AS one /* ; */", ""),
    ],
)
async def test_a_semicolon_and_comments_behind_a_statement_are_no_second_one(
    source: Source, sql: str, ending: str
) -> None:
    async with opened(source) as engine:
        answer = await engine.query(Statement(sql), Window())
    assert answer.rows == [[ending or 1]]


@pytest.mark.parametrize("sql", ["SELECT 1; SELECT 2", "SELECT 1;; SELECT 2", "SELECT 1; -- x\nDELETE FROM victim"])
async def test_several_statements_are_refused_before_any_runs(source: Source, sql: str) -> None:
    async with opened(source) as engine:
        with pytest.raises(WrongStatement):
            await engine.query(Statement(sql), Window())


@pytest.mark.parametrize(
    "sql", ["DELETE FROM victim", "UPDATE victim SET note = ''", "CREATE TABLE x (a integer)", "DROP VIEW notes"]
)
async def test_a_statement_that_writes_is_refused(source: Source, sql: str) -> None:
    async with opened(source) as engine:
        with pytest.raises(Refused):
            await engine.query(Statement(sql), Window())
        with pytest.raises(Refused):
            await engine.execute(Change(Statement(sql), commit=True, max_affected=10, allow_ddl=True))
        assert (await engine.query(Statement("SELECT count(*) FROM victim"), Window())).rows == [[2]]


async def test_a_statement_that_takes_too_long_is_stopped_and_the_next_one_runs(source: Source) -> None:
    async with opened(source, Bounds(seconds=0.5)) as engine:
        for _ in range(2):
            with anyio.fail_after(5), pytest.raises(TooSlow):
                await engine.query(Statement(ENDLESS), Window())
        assert (await engine.query(Statement("SELECT 1"), Window())).rows == [[1]]


async def test_a_cancelled_call_returns_soon_and_the_next_one_runs(source: Source) -> None:
    async with opened(source) as engine:
        await engine.query(Statement("SELECT 1"), Window())
        with anyio.fail_after(5):
            with anyio.move_on_after(0.2) as scope:
                await engine.query(Statement(ENDLESS), Window())
            assert scope.cancelled_caught
            assert (await engine.query(Statement("SELECT 1"), Window())).rows == [[1]]


async def test_calls_run_side_by_side(source: Source) -> None:
    answers: list[object] = []
    async with opened(source) as engine, anyio.create_task_group() as group:

        async def ask(number: int) -> None:
            answers.extend((await engine.query(Statement(f"SELECT {number}"), Window())).rows[0])

        for number in range(12):
            group.start_soon(ask, number)
    assert sorted(answers) == list(range(12))  # pyright: ignore[reportArgumentType]


async def test_tables_and_columns_are_found_by_pattern(source: Source) -> None:
    async with opened(source) as engine:
        tables = await engine.find(Search("table", "%i%", None, 10, 0))
        columns = await engine.find(Search("column", "victim\\_id", None, 10, 0))
        assert [each.name for each in tables] == ["big", "child", "victim"]
        assert [(each.table, each.name) for each in columns] == [("child", "victim_id")]
        assert [each.name for each in await engine.find(Search("table", "%i%", None, 1, 1))] == ["child"]
        assert [each.name for each in await engine.find(Search("schema", "%", None, 10, 0))] == [engine.default_schema]
        (victim,) = await engine.describe([(engine.default_schema, "victim"), (engine.default_schema, "none")])
    assert [column.name for column in victim.columns] == ["id", "note"]


async def test_a_plan_is_told_and_analyzed(source: Source) -> None:
    async with opened(source) as engine:
        plan = await engine.explain(Statement("SELECT * FROM big WHERE t = 'x'"), analyze=False)
        ran = await engine.explain(Statement("SELECT * FROM big WHERE t = 'row 7'"), analyze=True)
        with pytest.raises((Refused, WrongStatement)):
            await engine.explain(Statement("DELETE FROM victim"), analyze=True)
        assert (await engine.query(Statement("SELECT count(*) FROM victim"), Window())).rows == [[2]]
    assert plan.plan
    assert ran.plan


async def test_a_sample_of_a_small_table_is_all_of_it_and_of_a_large_one_a_part(source: Source) -> None:
    async with opened(source) as engine:
        for table, wanted, least, most in (("victim", 10, 2, 2), ("big", 100, 10, 100), ("big", BIG, BIG, BIG)):
            sub_select = await engine.sample((engine.default_schema, table), wanted)
            counted = await engine.query(Statement(f"SELECT count(*) FROM {sub_select} AS s"), Window())
            assert least <= counted.rows[0][0] <= most


@pytest.mark.parametrize("sql", ["", ";", "-- nothing", "SELEC 1", "(" * 20_000, "SELECT ''", "SELECT '\U0001f600'"])
async def test_odd_texts_are_answered_or_refused_and_the_engine_goes_on(source: Source, sql: str) -> None:
    async with opened(source) as engine:
        with suppress(DatabaseError):
            await engine.query(Statement(sql), Window())
        assert (await engine.query(Statement("SELECT 1"), Window())).rows == [[1]]
