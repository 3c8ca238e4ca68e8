"""Attacks on a folder of data files. After each: no file was changed or made, none but the tables was read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest
from mcp import Client

from servers.database.sources import Bounds, Source, parse
from tests.attacks.database.test_sqlite import state
from tests.servers.database.stage import asking, data_folder, outcome_of, query, refusal, text_of

pytestmark = pytest.mark.anyio
CANARY = "canary-d0c5"


@dataclass(frozen=True)
class Target:
    """A served folder, and a file beside it that holds the canary."""

    source: Source
    folder: Path
    secret: Path


@pytest.fixture
def target(tmp_path: Path) -> Generator[Target]:
    folder = data_folder(tmp_path / "world")
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.csv"
    secret.write_text(f"a\n{CANARY}\n")
    (folder / ".env").write_text(f"PASSWORD={CANARY}\n")
    (folder / "notes.txt").write_text(CANARY)
    (folder / "link.csv").symlink_to(secret)
    (folder / "linked").symlink_to(outside)
    before = state(tmp_path)
    yield Target(parse(f"world=duckdb:{folder}"), folder, secret)
    assert state(tmp_path) == before


@asynccontextmanager
async def attacker(target: Target, seconds: float = 20.0) -> AsyncGenerator[Client]:
    """A client; when the attack is over it must still be served."""
    async with asking(target.source, Bounds(seconds=seconds)) as client:
        yield client
        assert (await query(client, "SELECT id, note FROM victim ORDER BY id"))["rows"] == [[1, "keep"], [2, "keep2"]]


WRITES = {
    "K01": "COPY (SELECT 42) TO 'out.csv'",
    "K01 in place": "COPY (SELECT 42) TO 'victim.csv'",
    "K05": "ATTACH 'x.db' AS x",
    "K06": "EXPORT DATABASE 'exp'",
    "K10": "INSERT INTO victim VALUES (3, 'x')",
    "cte": "WITH x AS (INSERT INTO victim VALUES (3, 'x') RETURNING *) SELECT * FROM x",
    "table": "CREATE TABLE x AS SELECT 1",
    "temp": "CREATE TEMP TABLE x AS SELECT 1",
    "view": "CREATE OR REPLACE VIEW victim AS SELECT 1 AS id, 'x' AS note",
    "macro": "CREATE MACRO f() AS 1",
    "set": "SET enable_external_access = true",
    "unlock": "SET lock_configuration = false",
    "reset": "RESET allowed_paths",
    "pragma": "PRAGMA enable_external_access",
    "install": "INSTALL httpfs",
    "load": "LOAD '/tmp/none.duckdb_extension'",
    "call": "CALL pragma_version()",
    "secret": "CREATE SECRET s (TYPE s3)",
    "several": "SELECT 1; COPY (SELECT 42) TO 'out.csv'",
    "explain analyze": "EXPLAIN ANALYZE COPY (SELECT 42) TO 'out.csv'",
    "prepare": "PREPARE x AS SELECT 1",
    "begin": "BEGIN TRANSACTION",
    "checkpoint": "CHECKPOINT",
    "use": "USE memory",
    "brackets": "SELECT 1) AS q(c0); COPY (SELECT 42) TO 'out.csv'; SELECT * FROM (SELECT 1",
}


@pytest.mark.parametrize("tool", ["db_query", "db_explain"])
async def test_nothing_is_written_or_set(target: Target, tool: str) -> None:
    more = {"analyze": True} if tool == "db_explain" else {}
    async with attacker(target) as client:
        said = {name: await outcome_of(client, tool, {"sql": sql} | more) for name, sql in WRITES.items()}
    assert {name: text for name, text in said.items() if not text.startswith(("denied: ", "invalid: "))} == {}


READS = {
    "K02": "SELECT * FROM read_text('{secret}')",
    "K03": "SELECT * FROM read_csv('{secret}')",
    "K04": "FROM '{secret}'",
    "K07": "SELECT * FROM glob('{outside}/*')",
    "K08": "SELECT * FROM read_text('http://127.0.0.1:9/')",
    "K09": "FROM 'link.csv'",
    "K09 folder": "FROM 'linked/secret.csv'",
    "dots": "FROM '../outside/secret.csv'",
    "dots inside": "FROM '{folder}/../outside/secret.csv'",
    "hidden": "SELECT * FROM read_text('.env')",
    "unlisted": "SELECT * FROM read_text('{folder}/notes.txt')",
    "blob": "SELECT * FROM read_blob('{secret}')",
    "json": "SELECT * FROM read_json('{secret}')",
    "parquet": "SELECT * FROM parquet_metadata('{secret}')",
    "sniff": "SELECT * FROM sniff_csv('{secret}')",
    "list": "SELECT * FROM read_csv(['victim.csv', '{secret}'])",
    "pattern": "SELECT * FROM read_csv('*.csv')",
    "query": "SELECT * FROM query('FROM ''{secret}''')",
    "query table": "SELECT * FROM query_table('{secret}')",
    "s3": "FROM 's3://bucket/x.parquet'",
    "proc": "SELECT * FROM read_text('/proc/self/environ')",
    "file url": "FROM 'file://{secret}'",
    "in a subquery": "SELECT (SELECT content FROM read_text('{secret}'))",
}


async def test_no_other_file_and_no_address_is_read(target: Target) -> None:
    places = {"secret": target.secret, "outside": target.secret.parent, "folder": target.folder}
    async with attacker(target) as client:
        said = {
            name: await outcome_of(client, "db_query", {"sql": sql.format(**places)}) for name, sql in READS.items()
        }
    refused = ("denied: ", "invalid: ", "not_found: ", "unavailable: ")
    assert {name: text for name, text in said.items() if not text.startswith(refused) or CANARY in text} == {}


async def test_the_host_s_paths_are_not_told(target: Target) -> None:
    looks = (
        "SELECT current_setting('allowed_paths')",
        "SELECT name, value FROM duckdb_settings() LIMIT 5000",
        "SELECT sql FROM duckdb_views() WHERE NOT internal",
        "SELECT * FROM duckdb_databases()",
        "FROM 'none.csv'",
    )
    async with attacker(target) as client:
        for sql in looks:
            said = text_of(await client.call_tool("db_query", {"sql": sql, "max_rows": 5000}))
            assert str(target.folder.parent) not in said


ENDLESS = {
    "K11": "SELECT count(*) FROM big a, big b, big c WHERE a.id + b.id + c.id < 0",
    "range": "SELECT sum(a.range) FROM range(1000000) a, range(1000000) b WHERE a.range % 7 = b.range % 11",
    "recursive": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c",
}


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS.keys())
async def test_an_endless_statement_is_stopped(target: Target, sql: str) -> None:
    async with asking(target.source, Bounds(seconds=1.0)) as client:
        await query(client, "SELECT 1")
        with anyio.fail_after(10):
            assert (await refusal(client, "db_query", {"sql": sql})).startswith("timeout: ")
            assert (await query(client, "SELECT count(*) FROM victim"))["rows"] == [[2]]


HUGE = {
    "text": "SELECT repeat('x', 4000000000)",
    "many texts": "SELECT repeat('x', 300000000) FROM range(20)",
    "list": "SELECT list(range) FROM range(300000)",
    "sort": "SELECT * FROM (SELECT repeat(range::VARCHAR, 2000) FROM range(1000000)) ORDER BY 1",
    "deep": "SELECT " + "(" * 40_000 + "1" + ")" * 40_000,
}


@pytest.mark.parametrize("sql", HUGE.values(), ids=HUGE.keys())
async def test_memory_is_bounded_by_the_process(target: Target, sql: str) -> None:
    async with attacker(target, 8.0) as client:
        result = await client.call_tool("db_query", {"sql": sql})
        said = text_of(result)
    assert len(said) < 300_000
    assert not result.is_error or said.startswith(("too_large: ", "timeout: ", "invalid: ", "unavailable: ")), said[
        :200
    ]
