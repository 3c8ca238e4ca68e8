"""Attacks on a PostgreSQL source. The case numbers are those of a collection of attacks that other servers fell to.

After each of them: the rows are as they were, no file was read or written, no session runs, no lock is held, and the
next call works and sees nothing of the attacker's settings.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client

from servers.database.engine import Statement, Window
from servers.database.errors import Refused
from servers.database.sources import Bounds, parse
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import POSTGRES_WORLD, QUICK, asking, opened, outcome_of, query, refusal, text_of

pytestmark = pytest.mark.anyio
CANARY = "canary-3f1b"
OURS = "application_name = 'mcp-database'"
LOCKS = f"""SELECT l.locktype, l.mode FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE a.{OURS} AND (l.locktype = 'advisory' OR a.state <> 'idle')"""
BUMP = """
CREATE FUNCTION bump() RETURNS integer LANGUAGE sql VOLATILE AS
 $$ INSERT INTO victim (note) VALUES ('bumped') RETURNING id $$;
CREATE FUNCTION sneak() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
 BEGIN PERFORM set_config('transaction_read_only', 'off', true); INSERT INTO victim (note) VALUES ('x'); RETURN 1;
 END $$;
GRANT EXECUTE ON FUNCTION bump(), sneak() TO PUBLIC;
"""


@pytest.fixture(scope="module")
def attacked(postgres_server: Postgres) -> Postgres:
    """A database with functions that write, on a server beside a file that nobody may read."""
    made = postgres_server.database_called("attacked", f"{POSTGRES_WORLD}; {BUMP}")
    canary(made).write_text(CANARY)
    canary(made).chmod(0o644)
    return made


def canary(postgres: Postgres) -> Path:
    """A file that the server itself could read."""
    return Path(postgres.socket) / "canary.txt"


@pytest.fixture
def unharmed(attacked: Postgres) -> Generator[Postgres]:
    """The attacked database; afterwards it must be as before."""
    files = {path.name for path in Path(attacked.socket).iterdir()}
    yield attacked
    assert attacked.run("SELECT id, note FROM victim ORDER BY id") == [(1, "keep"), (2, "keep2")]
    assert attacked.run("SELECT last_value FROM victim_id_seq") == [(2,)]
    assert attacked.run("SELECT relname FROM pg_class WHERE relname IN ('stolen', 'x')") == []
    assert {path.name for path in Path(attacked.socket).iterdir()} == files
    assert attacked.sessions() == []
    assert attacked.run(LOCKS) == []
    assert attacked.run("SELECT * FROM pg_prepared_xacts") == []


@asynccontextmanager
async def attacker(database: Postgres, bounds: Bounds = QUICK) -> AsyncGenerator[Client]:
    """A client; when the attack is over it must still be served."""
    async with asking(parse(f"d={database.reader}"), bounds) as client:
        yield client
        after = await query(client, "SELECT count(*) AS n, current_setting('search_path') AS p FROM victim")
        assert after["rows"] == [[2, '"$user", public']]


WRITES = {
    "P01": "COMMIT; DROP TABLE victim",
    "P02": "SELECT 1; COMMIT; INSERT INTO victim(note) VALUES('x'); SELECT 1",
    "P03": "ROLLBACK; DELETE FROM victim",
    "P04": "WITH d AS (DELETE FROM victim RETURNING *) SELECT * FROM d",
    "P05": "EXPLAIN ANALYZE DELETE FROM victim",
    "P06": "EXPLAIN (ANALYZE true, BUFFERS) INSERT INTO victim(note) VALUES('x')",
    "P07": "SELECT bump()",
    "P07 definer": "SELECT sneak()",
    "P08": "SELECT setval('victim_id_seq',999)",
    "P08 nextval": "SELECT nextval('victim_id_seq')",
    "P09": "SELECT * INTO stolen FROM victim",
    "P10": "CREATE TABLE stolen AS SELECT * FROM victim",
    "P10 view": "CREATE VIEW x AS SELECT 1",
    "P23": "DO $$ BEGIN DELETE FROM victim; END $$",
    "P25": "SELECT set_config('transaction_read_only','off',true), bump()",
    "P26": "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "P26 set": "SET default_transaction_read_only = off",
    "P37": "COPY victim FROM PROGRAM 'echo pwned'",
    "P38": "ALTER SYSTEM SET log_statement = 'all'",
    "P39": "PREPARE x AS DELETE FROM victim; EXECUTE x",
    "P39 alone": "PREPARE x AS DELETE FROM victim",
    "P40": "SELECT 1 -- c\n; DELETE FROM victim",
    "brackets": "SELECT 1) AS q(c0); DELETE FROM victim; SELECT * FROM (SELECT 1",
    "brackets alone": "SELECT 1) AS q(c0) LIMIT 1; --",
    "comment": "SELECT 1 /*",
    "lock": "SELECT * FROM victim FOR UPDATE",
    "merge": "MERGE INTO victim v USING victim w ON v.id = w.id WHEN MATCHED THEN DELETE",
    "call": "CALL nothing()",
    "two-phase": "PREPARE TRANSACTION 'left'",
    "listen": "LISTEN x",
    "temp": "CREATE TEMP TABLE x AS SELECT 1",
    "large object": "SELECT lo_from_bytea(0, 'x')",
    "truncate": "TRUNCATE victim",
    "vacuum": "VACUUM victim",
    "grant": "GRANT ALL ON victim TO PUBLIC",
    "role": "SET ROLE postgres",
    "role by function": "SELECT set_config('role', 'postgres', true)",
    "session": "SET SESSION AUTHORIZATION postgres",
}


@pytest.mark.parametrize("tool", ["db_query", "db_explain"])
async def test_nothing_is_written(unharmed: Postgres, tool: str) -> None:
    more = {"analyze": True} if tool == "db_explain" else {}
    async with attacker(unharmed) as client:
        said = {name: await outcome_of(client, tool, {"sql": sql} | more) for name, sql in WRITES.items()}
        assert unharmed.sessions() == []
    assert {name: text for name, text in said.items() if not text.startswith(("denied: ", "invalid: "))} == {}


FILES = {
    "P11": "COPY (SELECT 'x') TO PROGRAM 'cat > {folder}/owned'",
    "P12": "COPY (SELECT 'x') TO '{folder}/owned'",
    "P13": "SELECT pg_read_file('{canary}')",
    "P14": "SELECT * FROM pg_read_file('{canary}')",
    "P15": "SELECT (SELECT pg_read_file('{canary}'))",
    "P16": "SELECT * FROM pg_ls_dir('{folder}')",
    "P17": "SELECT query_to_xml('select pg_read_file(''{canary}'')',true,true,'')",
    "P18": "SELECT encode(pg_read_binary_file('{canary}'),'escape')",
    "P19": "SELECT lo_export(lo_from_bytea(0,'x'),'{folder}/owned')",
    "P20": "SELECT lo_get(lo_import('{canary}'))",
    "P21": "SELECT * FROM dblink('host={folder} user=postgres','delete from victim returning note') AS t(n text)",
    "P22": "SELECT dblink_exec('host={folder} user=postgres','insert into victim(note) values(1)')",
    "stat": "SELECT * FROM pg_stat_file('{canary}')",
    "load": "LOAD '{canary}'",
    "extension": "CREATE EXTENSION file_fdw",
    "language": "CREATE FUNCTION x() RETURNS int LANGUAGE c AS '{canary}', 'x'",
    "hba": "SELECT * FROM pg_hba_file_rules",
    "settings": "SELECT setting FROM pg_file_settings",
    "logs": "SELECT * FROM pg_ls_logdir()",
    "shadow": "SELECT passwd FROM pg_shadow",
}


async def test_no_file_program_or_other_server_is_reached(unharmed: Postgres) -> None:
    places = {"folder": unharmed.socket, "canary": canary(unharmed)}
    async with attacker(unharmed) as client:
        said = {
            name: await outcome_of(client, "db_query", {"sql": sql.format(**places)}) for name, sql in FILES.items()
        }
    refused = ("denied: ", "invalid: ", "not_found: ")
    assert {name: text for name, text in said.items() if not text.startswith(refused) or CANARY in text} == {}


STATE = {
    "P24": ("SELECT set_config('default_transaction_read_only','off',false)", "SHOW default_transaction_read_only"),
    "P27": ("SELECT set_config('search_path','pg_temp,evil',false)", "search_path"),
    "P28": ("SELECT set_config('statement_timeout','0',false)", "statement_timeout"),
    "own": ("SELECT set_config('my.note','left behind',false)", "my.note"),
}


@pytest.mark.parametrize(("sql", "setting"), STATE.values(), ids=STATE.keys())
async def test_no_setting_of_one_call_is_seen_by_the_next(unharmed: Postgres, sql: str, setting: str) -> None:
    name = setting.removeprefix("SHOW ")
    look = f"SELECT coalesce(current_setting('{name}', true), '') AS now"
    async with attacker(unharmed) as client:
        before = (await query(client, look))["rows"]
        await client.call_tool("db_query", {"sql": sql})
        for _ in range(3):
            assert (await query(client, look))["rows"] == before
        assert (await refusal(client, "db_query", {"sql": "SELECT bump()"})).startswith("denied: ")


async def test_no_lock_of_one_call_is_held_after_it(unharmed: Postgres) -> None:
    async with attacker(unharmed) as client:
        await query(client, "SELECT pg_advisory_lock(7), pg_advisory_lock_shared(8)")
        assert unharmed.run(LOCKS) == []


ENDLESS = {
    "P29": "SELECT pg_sleep(3600)",
    "P30": "SELECT count(*) FROM big a, big b, big c",
    "recursive": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c",
    "regex": "SELECT regexp_count(repeat('a', 100000), '(a|a)*(a|aa)+$')::text || pg_sleep(60)",
    "json": "SELECT count(*) FROM generate_series(1, 1e15)",
    "timeout off": "SELECT set_config('statement_timeout','0',false), pg_sleep(3600)",
}


@pytest.mark.parametrize("sql", ENDLESS.values(), ids=ENDLESS.keys())
async def test_an_endless_statement_ends_in_the_server(unharmed: Postgres, sql: str) -> None:
    async with attacker(unharmed, Bounds(seconds=0.5)) as client:
        with anyio.fail_after(10):
            said = await refusal(client, "db_query", {"sql": sql})
        assert said.startswith("timeout: ")
        assert unharmed.sessions() == []


MANY_ROWS = {
    "P31": "SELECT * FROM big",
    "P32": "WITH x AS (SELECT * FROM big) SELECT * FROM x",
    "P33": "SELECT * FROM big WHERE id NOT IN (SELECT id FROM big LIMIT 1)",
    "P34": "/* x */ SELECT * FROM big",
    "P36": "TABLE big",
    "limit": "SELECT * FROM big LIMIT 1000000",
    "values": "SELECT generate_series(1, 100000000)",
}


async def test_rows_are_capped_and_the_cap_is_told(unharmed: Postgres) -> None:
    async with attacker(unharmed, Bounds(seconds=10)) as client:
        for sql in MANY_ROWS.values():
            answer = await query(client, sql)
            assert (answer["row_count"], answer["truncated"], answer["next_offset"]) == (200, "rows", 200)


HUGE = {
    "P35": "SELECT repeat('x',100000000)",
    "bytes": "SELECT decode(repeat('00', 50000000), 'hex')",
    "json": "SELECT to_json(repeat('x',50000000))",
    "jsonb": "SELECT to_jsonb(repeat('x',50000000))",
    "array": "SELECT array_agg(g) FROM generate_series(1,1000000) g",
    "numeric": "SELECT repeat('9',130000)::numeric",
    "composite": "SELECT ROW(repeat('x',50000000))",
    "tsvector": "SELECT to_tsvector('simple', string_agg(g::text, ' ')) FROM generate_series(1,50000) g",
    "polygon": "SELECT ('(' || string_agg('(' || g || ',1)', ',') || ')')::polygon FROM generate_series(1,100000) g",
    "bit": "SELECT repeat('1', 1000000)::varbit",
    "path of text": "SELECT string_agg(g::text, '') FROM generate_series(1,1000000) g",
    "range": "SELECT range_agg(int4range(g, g + 1)) FROM generate_series(1, 200000, 2) g",
}


@pytest.mark.parametrize("sql", HUGE.values(), ids=HUGE.keys())
async def test_a_huge_cell_is_cut_inside_the_server(unharmed: Postgres, sql: str) -> None:
    async with attacker(unharmed, Bounds(seconds=20)) as client:
        result = await client.call_tool("db_query", {"sql": sql})
        said = text_of(result)
    assert not result.is_error, said[:300]
    assert len(said) < 25_000


async def test_five_hundred_wide_cells_make_one_bounded_row(unharmed: Postgres) -> None:
    cells = ", ".join(f"repeat('x', 100000) AS c{number}" for number in range(500))
    async with attacker(unharmed, Bounds(seconds=20)) as client:
        said = text_of(await client.call_tool("db_query", {"sql": f"SELECT {cells} FROM big"}))
    assert len(said) < 600_000


async def test_a_name_is_a_parameter_in_the_schema_tools(unharmed: Postgres) -> None:
    """P41, P42: a table name is never part of a statement, an analyzed plan never of one that writes."""
    evil = "x'; DROP TABLE victim; --"
    async with attacker(unharmed) as client:
        for arguments in ({"pattern": evil}, {"pattern": evil, "kind": "column"}, {"schema": evil}):
            result = await client.call_tool("db_schema", arguments)
            assert not result.is_error
        assert (await refusal(client, "db_profile", {"table": evil})).startswith("not_found: ")
        assert (await refusal(client, "db_profile", {"table": 'victim"; DELETE FROM victim; --'})).startswith(
            "not_found"
        )
        assert (await refusal(client, "db_profile", {"table": "victim", "columns": [evil]})).startswith("not_found: ")
        said = await refusal(client, "db_explain", {"sql": "DELETE FROM victim", "analyze": True})
        assert said.startswith("denied: ")


@pytest.mark.parametrize(
    "make",
    [
        "ALTER ROLE {role} SUPERUSER",
        "GRANT postgres TO {role}",
        "GRANT pg_read_server_files TO {role}",
        "GRANT pg_write_server_files TO {role}",
        "GRANT pg_execute_server_program TO {role}",
        "ALTER ROLE {role} CREATEROLE",
        "ALTER ROLE {role} REPLICATION",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO {role}",
        "GRANT EXECUTE ON FUNCTION lo_import(text) TO {role}",
        "CREATE FUNCTION public.dblink(text) RETURNS text LANGUAGE sql AS 'SELECT $1'",
    ],
)
async def test_a_role_that_may_too_much_is_refused_with_the_way_to_the_right_one(attacked: Postgres, make: str) -> None:
    """Superusers, members of one, and roles that reach files, programs or other servers: nothing of theirs runs."""
    attacked.run("CREATE ROLE mighty LOGIN NOINHERIT")
    try:
        attacked.run(make.format(role="mighty"))
        async with opened(parse(f"d={attacked.dsn('mighty')}")) as engine:
            with pytest.raises(Refused, match=r"CREATE ROLE mcp_reader .*NOSUPERUSER"):
                await engine.query(Statement("SELECT 1"), Window())
    finally:
        attacked.run("DROP FUNCTION IF EXISTS public.dblink(text)")
        attacked.run("REVOKE EXECUTE ON FUNCTION pg_read_file(text), lo_import(text) FROM mighty")
        attacked.run("DROP OWNED BY mighty; DROP ROLE mighty")


async def test_the_superuser_of_the_server_is_refused(attacked: Postgres) -> None:
    async with asking(parse(f"d={attacked.mighty}")) as client:
        assert "superuser" in await refusal(client, "db_query", {"sql": "SELECT 1"})
        assert "superuser" in await refusal(client, "db_schema", {})
    assert attacked.sessions() == []
