"""Attacks on a SQLite source. After each: the file is the same, no other file was made, the next call works."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from servers.database.sources import Bounds, Source, parse
from tests.servers.database.stage import QUICK, asking, outcome_of, query, refusal, rows_in, sqlite_file, text_of

pytestmark = pytest.mark.anyio
CANARY = "canary-77aa"


def state(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Source]:
    """A database beside a file that nobody may read; whatever is made in the current folder is seen too."""
    monkeypatch.chdir(tmp_path)
    database = sqlite_file(tmp_path / "world.db")
    (tmp_path / "secret.txt").write_text(CANARY)
    before = state(tmp_path)
    yield parse(f"world={database}")
    assert state(tmp_path) == before


@asynccontextmanager
async def attacker(source: Source, bounds: Bounds = QUICK) -> AsyncGenerator[Client]:
    """A client; when the attack is over it must still be served."""
    async with asking(source, bounds) as client:
        yield client
        assert (await query(client, "SELECT id, note FROM victim"))["rows"] == [[1, "keep"], [2, "keep2"]]


REFUSED = {
    "S01": "SELECT 1; DROP TABLE victim",
    "S02": "WITH x AS (SELECT 1) DELETE FROM victim",
    "S03": "/* SELECT */ DELETE FROM victim",
    "S04": "PRAGMA user_version=9",
    "S05": "PRAGMA user_version(9)",
    "S06": "PRAGMA query_only(0)",
    "S07": "PRAGMA query_only=OFF; INSERT INTO victim(note) VALUES ('x')",
    "S08": "PRAGMA writable_schema=1; UPDATE sqlite_master SET sql=''",
    "S08 alone": "PRAGMA writable_schema=1",
    "S09": "ATTACH DATABASE 'evil.db' AS e",
    "S10": "VACUUM INTO 'vac.db'",
    "S10 plain": "VACUUM",
    "S11": "SELECT load_extension('/tmp/none.so')",
    "S12": "SELECT readfile('secret.txt')",
    "S12 write": "SELECT writefile('owned.txt', 'x')",
    "S12 edit": "SELECT edit('x', 'touch owned')",
    "S13": "REPLACE INTO victim VALUES (1, 'x')",
    "S14": "INSERT INTO victim(note) VALUES ('x') RETURNING id",
    "S25": "ATTACH 'file:evil.db?mode=rwc' AS e",
    "S27": "SELECT nope FROM victim",
    "begin": "BEGIN IMMEDIATE",
    "savepoint": "SAVEPOINT s",
    "temp": "CREATE TEMP TABLE x (a)",
    "journal": "PRAGMA journal_mode=WAL",
    "checkpoint": "PRAGMA wal_checkpoint(TRUNCATE)",
    "heap": "PRAGMA hard_heap_limit=0",
    "trusted": "PRAGMA trusted_schema=1",
    "store": "PRAGMA temp_store_directory='/tmp'",
    "table function": "SELECT * FROM pragma_user_version(9)",
    "page": "SELECT * FROM sqlite_dbpage",
    "tokenizer": "SELECT fts3_tokenizer('simple')",
    "virtual": "CREATE VIRTUAL TABLE x USING fts5(a)",
    "reindex": "REINDEX",
    "analyze": "ANALYZE",
    "update from": "UPDATE victim SET note = (SELECT 'x')",
    "explain writes": "EXPLAIN DELETE FROM victim",
    "attached nul": "ATTACH '' AS e",
    "double quoted": 'SELECT "no such column at all"',
}


@pytest.mark.parametrize("tool", ["db_query", "db_explain"])
@pytest.mark.parametrize("writable", [False, True])
async def test_the_tools_that_read_write_and_set_nothing(target: Source, tool: str, writable: bool) -> None:
    """On a source that `db_execute` may change as well."""
    async with attacker(replace(target, writable=writable)) as client:
        said = {name: await outcome_of(client, tool, {"sql": sql}) for name, sql in REFUSED.items()}
    refused = ("denied: ", "invalid: ", "not_found: ")
    assert {name: text for name, text in said.items() if not text.startswith(refused) or CANARY in text} == {}


ESCAPES = {
    name: REFUSED[name] for name in REFUSED if name.startswith(("S04", "S08", "S09", "S10", "S11", "S12", "S25"))
} | {
    "S26": "VACUUM INTO 'vac.db'",
    "catalog": "UPDATE sqlite_schema SET sql = 'x'",
    "drop": "DROP TABLE victim",
    "trigger": "CREATE TRIGGER t AFTER DELETE ON victim BEGIN SELECT 1; END",
    "commit": "COMMIT",
    "rollback": "ROLLBACK",
    "commit first": "COMMIT; DELETE FROM victim",
    "begin": "BEGIN",
    "virtual": "CREATE VIRTUAL TABLE x USING fts5(a)",
    "pragma": "PRAGMA foreign_keys=0",
}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("allow_ddl", [False, True])
async def test_the_writing_tool_reaches_no_other_file_and_no_setting(
    target: Source, dry_run: bool, allow_ddl: bool
) -> None:
    attacks = {name: sql for name, sql in ESCAPES.items() if not (allow_ddl and name in SHAPES)}
    bounds = replace(QUICK, allow_ddl=allow_ddl)
    async with asking(replace(target, writable=True), bounds, confirm="allow") as client:
        said = {
            name: await outcome_of(client, "db_execute", {"sql": sql, "dry_run": dry_run})
            for name, sql in attacks.items()
        }
        assert (await query(client, "SELECT count(*) FROM victim"))["rows"] == [[2]]
    assert {name: text for name, text in said.items() if not text.startswith(("denied: ", "invalid: "))} == {}


SHAPES = {"drop", "trigger"}
BOMB = "hex(zeroblob(900000))"
ENDLESS = {
    "S15": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c",
    "S16": "SELECT count(*) FROM big a, big b, big c",
    "one long call": f"SELECT instr({BOMB} || {BOMB}, substr({BOMB}, 1, 1700000) || '1')",
    "sort": "SELECT a.t FROM big a, big b ORDER BY a.t || b.t LIMIT 1",
}


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS.keys())
async def test_an_endless_statement_is_stopped_even_inside_one_function(target: Source, sql: str) -> None:
    """SQLite looks for an interrupt between steps of a statement only; a single call of `instr` can run for an hour."""
    async with attacker(target, Bounds(seconds=0.4)) as client:
        with anyio.fail_after(10):
            said = await refusal(client, "db_query", {"sql": sql})
    assert said.startswith(("timeout: ", "too_large: ")), said


MANY_ROWS = {
    "S17": "SELECT * FROM big",
    "S18": "WITH x AS (SELECT * FROM big) SELECT * FROM x",
    "S19": "SELECT * FROM big WHERE id NOT IN (SELECT id FROM big LIMIT 1)",
    "limit": "SELECT * FROM big LIMIT 1000000",
}


async def test_rows_are_capped_and_the_cap_is_told(target: Source) -> None:
    async with attacker(target) as client:
        for sql in MANY_ROWS.values():
            answer = await query(client, sql)
            assert (answer["row_count"], answer["truncated"], answer["next_offset"]) == (200, "rows", 200)


HUGE = {
    "S20": "SELECT hex(zeroblob(100000000))",
    "S21": "SELECT zeroblob(2000000000)",
    "S22": "SELECT printf('%.*c',500000000,'x')",
    "cut": "SELECT printf('%.*c',4000000,'x')",
    "rows": "SELECT printf('%.*c',4000000,'x') FROM big",
    "columns": f"SELECT {', '.join(['printf(chr, 1)'.replace('chr', chr(39) + '%.900000c' + chr(39))] * 300)}",
    "json": "SELECT json_group_array(t) FROM big",
    "concat": "SELECT group_concat(t || t || t || t || t) FROM big, (SELECT 1 FROM big LIMIT 50)",
    "replace": "SELECT replace(replace(hex(zeroblob(1000000)), '0', '00000000'), '0', '00000000')",
}


@pytest.mark.parametrize("sql", HUGE.values(), ids=HUGE.keys())
async def test_a_huge_cell_is_cut_or_refused(target: Source, sql: str) -> None:
    async with attacker(target, Bounds(seconds=10)) as client:
        result = await client.call_tool("db_query", {"sql": sql})
        said = text_of(result)
    assert len(said) < 300_000
    assert not result.is_error or said.startswith("too_large: "), said[:200]


async def test_a_name_is_a_parameter_in_the_schema_tools(target: Source) -> None:
    """S23, S24."""
    async with attacker(target) as client:
        for evil in ("victim); DROP TABLE victim; --", "victim') UNION SELECT 1 --", 'victim"; DELETE FROM victim; --'):
            for arguments in (
                {"pattern": evil},
                {"pattern": evil, "kind": "column", "detail": "full"},
                {"schema": evil},
            ):
                answer = await client.call_tool("db_schema", arguments)
                assert not answer.is_error
            assert (await refusal(client, "db_profile", {"table": evil})).startswith("not_found: ")
            columns = {"table": "victim", "columns": [evil]}
            assert (await refusal(client, "db_profile", columns)).startswith("not_found: ")


async def test_hostile_names_in_the_file_itself_are_only_names(tmp_path: Path) -> None:
    names = ('a"; DROP TABLE victim; --', "b' OR 1=1", "c]d", "e`f", "g\u202eh", "i\x1b[31m")
    sql = "".join('CREATE TABLE "{0}" ("{0}" TEXT); '.format(name.replace('"', '""')) for name in names)
    database = sqlite_file(tmp_path / "odd.db", sql + "CREATE TABLE victim (id); INSERT INTO victim VALUES (1)")
    async with asking(parse(str(database))) as client:
        full = await client.call_tool("db_schema", {"detail": "full"})
        assert not full.is_error
        assert "\x1b" not in text_of(full)
        assert "\u202e" not in text_of(full)
        for name in names[:4]:
            profiled = await client.call_tool("db_profile", {"table": name})
            assert not profiled.is_error, text_of(profiled)
    assert rows_in(database, "SELECT count(*) FROM victim") == [(1,)]


async def test_a_schema_that_hides_functions_in_views_and_defaults_does_not_run_them(tmp_path: Path) -> None:
    """A file from elsewhere may hold a view or a generated column that calls what a plain SELECT may not."""
    sql = """CREATE TABLE victim (id INTEGER); INSERT INTO victim VALUES (1);
    CREATE VIEW trap AS SELECT load_extension('/tmp/none.so') FROM victim;
    CREATE VIEW pages AS SELECT * FROM pragma_table_info('victim');"""
    async with asking(parse(str(sqlite_file(tmp_path / "trap.db", sql)))) as client:
        assert (await refusal(client, "db_query", {"sql": "SELECT * FROM trap"})).startswith("denied: ")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0" + bytes(4000), b"SQLite format 3\0" + b"\xff" * 8000])
async def test_a_broken_file_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    broken = tmp_path / "broken.db"
    broken.write_bytes(content)
    async with asking(parse(str(broken))) as client:
        result = await client.call_tool("db_query", {"sql": "SELECT count(*) FROM sqlite_schema"})
        said: Any = text_of(result)
    assert (not result.is_error) if not content else said.startswith("unavailable: "), said
    assert str(tmp_path) not in said


async def test_100_kb_of_parentheses_and_deep_expressions_are_refused(target: Source) -> None:
    async with attacker(target) as client:
        for sql in ("(" * 100_000, "SELECT " + "(" * 49_000 + "1" + ")" * 49_000, "SELECT " + "-" * 90_001 + "1"):
            result = await client.call_tool("db_query", {"sql": sql})
            assert result.is_error or "--" in sql
        deep = "SELECT " + "+".join(["1"] * 20_000)
        assert (await refusal(client, "db_query", {"sql": deep})).startswith(("invalid: ", "too_large: "))
        assert (await refusal(client, "db_query", {"sql": "SELECT 1 --" + "x" * 100_000})).startswith("too_large: ")
