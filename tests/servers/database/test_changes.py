"""db_execute: a dry run first, a cap on the rows, the user's word before a commit."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from mcp import Client
from mcp.types import ElicitRequestParams, ElicitResult

from servers.database.sources import Bounds, Source, parse
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import PATIENT, asking, query, refusal, sqlite_file, text_of

pytestmark = pytest.mark.anyio
DDL = Bounds(seconds=20.0, allow_ddl=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def writable(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """The world in each engine that can be written to."""
    if request.param == "sqlite":
        return parse(f"world={sqlite_file(tmp_path / 'world.db')}:rw")
    postgres: Postgres = request.getfixturevalue("postgres")
    return parse(f"world={postgres.writer}:rw")


@asynccontextmanager
async def changing(source: Source, bounds: Bounds = PATIENT, **options: Any) -> AsyncGenerator[Client]:
    async with asking(source, bounds, confirm=options.pop("confirm", "allow"), **options) as client:
        yield client


async def execute(client: Client, sql: str, **arguments: Any) -> dict[str, Any]:
    """The outcome of a change that is not refused."""
    result = await client.call_tool("db_execute", {"sql": sql, **arguments})
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


async def notes(client: Client) -> list[Any]:
    return (await query(client, "SELECT note FROM victim ORDER BY id"))["rows"]


async def test_a_dry_run_counts_and_changes_nothing(writable: Source) -> None:
    async with changing(writable) as client:
        outcome = await execute(client, "UPDATE victim SET note = 'new'")
        assert outcome == {"affected": 2, "committed": False, "rolled_back_reason": "dry run"}
        assert await notes(client) == [["keep"], ["keep2"]]


async def test_a_change_is_committed_and_the_next_call_sees_it(writable: Source) -> None:
    marker = "$1" if writable.dialect == "postgresql" else "?"
    async with changing(writable) as client:
        sql = f"UPDATE victim SET note = {marker} WHERE id = 2"
        outcome = await execute(client, sql, params=["it's new"], dry_run=False)
        assert outcome == {"affected": 1, "committed": True}
        assert await notes(client) == [["keep"], ["it's new"]]


async def test_returning_gives_rows_and_values(writable: Source) -> None:
    async with changing(writable) as client:
        outcome = await execute(
            client, "INSERT INTO victim (note) VALUES ('a'), ('b') RETURNING id, note", dry_run=False
        )
        assert (outcome["affected"], outcome["returning"]) == (2, [[3, "a"], [4, "b"]])


async def test_too_many_rows_are_rolled_back_cascades_included(writable: Source) -> None:
    async with changing(writable) as client:
        said = await refusal(client, "db_execute", {"sql": "DELETE FROM big", "dry_run": False})
        assert said.startswith("too_large: ")
        assert "20000" in said
        said = await refusal(client, "db_execute", {"sql": "DELETE FROM victim", "dry_run": False, "max_affected": 2})
        assert said.startswith("too_large: ")
        assert (await query(client, "SELECT count(*) FROM child"))["rows"] == [[3]]
        assert await notes(client) == [["keep"], ["keep2"]]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (a integer)",
        "DROP TABLE child",
        "ALTER TABLE victim ADD COLUMN x integer",
        "CREATE VIEW v AS SELECT 1",
    ],
)
async def test_ddl_needs_the_operator_s_leave(writable: Source, sql: str) -> None:
    async with changing(writable) as client:
        said = await refusal(client, "db_execute", {"sql": sql, "dry_run": False})
    assert said.startswith("denied: ")
    assert "--allow-ddl" in said


async def test_ddl_that_is_allowed_is_run_and_can_be_tried(writable: Source) -> None:
    find = {"pattern": "made", "kind": "table"}
    async with changing(writable, DDL) as client:
        await execute(client, "CREATE TABLE made (a integer)")
        assert (await client.call_tool("db_schema", find)).structured_content["objects"] == []  # pyright: ignore[reportOptionalSubscript]
        assert (await execute(client, "CREATE TABLE made (a integer);", dry_run=False))["committed"]
        assert len((await client.call_tool("db_schema", find)).structured_content["objects"]) == 1  # pyright: ignore[reportOptionalSubscript]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO victim (id, note) VALUES (1, 'again')",
        "INSERT INTO child (victim_id) VALUES (77)",
        "UPDATE victim SET note = NULL",
    ],
)
async def test_a_broken_rule_of_the_table_is_a_conflict_and_nothing_stays(writable: Source, sql: str) -> None:
    async with changing(writable) as client:
        assert (await refusal(client, "db_execute", {"sql": sql, "dry_run": False})).startswith("conflict: ")
        assert await notes(client) == [["keep"], ["keep2"]]


@pytest.mark.parametrize(
    "sql",
    ["COMMIT", "ROLLBACK", "SAVEPOINT s", "BEGIN", "PREPARE TRANSACTION 'x'", "COPY victim TO '/tmp/owned'",
     "UPDATE victim SET note = 'x'; COMMIT", "DO $$ BEGIN COMMIT; END $$", "COPY victim FROM STDIN",
     "SET ROLE postgres"],
)  # fmt: skip
@pytest.mark.parametrize("bounds", [PATIENT, DDL], ids=["rows", "ddl"])
async def test_no_statement_ends_the_transaction_or_leaves_it(writable: Source, sql: str, bounds: Bounds) -> None:
    async with changing(writable, bounds) as client:
        await refusal(client, "db_execute", {"sql": sql})
        assert await notes(client) == [["keep"], ["keep2"]]
        assert (await execute(client, "DELETE FROM child"))["affected"] == 3


async def test_a_write_inside_a_cte_counts_too(postgres: Postgres) -> None:
    async with changing(parse(f"world={postgres.writer}:rw")) as client:
        sql = "WITH d AS (DELETE FROM big RETURNING id) SELECT count(*) FROM d"
        assert "20000" in await refusal(client, "db_execute", {"sql": sql, "dry_run": False})
        assert (await query(client, "SELECT count(*) FROM big"))["rows"] == [[20_000]]
    assert postgres.sessions() == []


async def test_a_role_without_the_right_is_told_so(postgres: Postgres) -> None:
    async with changing(parse(f"world={postgres.reader}:rw")) as client:
        said = await refusal(client, "db_execute", {"sql": "DELETE FROM victim", "dry_run": False})
    assert said.startswith("denied: permission denied")


async def test_a_busy_sqlite_file_is_a_conflict_after_a_short_wait(tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "world.db")
    source = parse(f"{path}:rw")  # looks into the file: closing it would drop the lock that this process holds
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE").fetchall()
    try:
        async with changing(source) as client:
            assert (await refusal(client, "db_execute", {"sql": "DELETE FROM child"})).startswith("conflict: ")
    finally:
        other.close()


async def test_no_tool_writes_where_no_source_is_writable(source: Source) -> None:
    async with asking(source) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
    assert tools == ["db_schema", "db_query", "db_explain", "db_profile"]


def answering(action: str, asked: list[str]) -> Callable[..., Any]:
    """A user who answers every question alike."""

    async def answer(_: Any, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        agreed = action == "agree"
        given = {"commit": agreed} if action in ("agree", "disagree") else None
        return ElicitResult(action="accept" if given else action, content=given)  # pyright: ignore[reportArgumentType]

    return answer


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("action", ["agree", "disagree", "decline", "cancel"])
async def test_the_user_is_asked_before_a_commit_and_their_word_holds(tmp_path: Path, mode: str, action: str) -> None:
    asked: list[str] = []
    source = parse(f"shop={sqlite_file(tmp_path / 'world.db')}:rw")
    async with changing(source, confirm="ask", mode=mode, elicitation_callback=answering(action, asked)) as client:
        await execute(client, "DELETE FROM child WHERE id = 1")
        assert asked == []
        result = await client.call_tool("db_execute", {"sql": "DELETE FROM child WHERE id = 1", "dry_run": False})
        assert result.is_error is (action != "agree"), text_of(result)
        assert (await query(client, "SELECT count(*) FROM child"))["rows"] == [[2 if action == "agree" else 3]]
    assert len(asked) == 1
    assert "DELETE FROM child WHERE id = 1" in asked[0]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_cannot_ask_gets_nothing_committed(tmp_path: Path, mode: str) -> None:
    source = parse(f"{sqlite_file(tmp_path / 'world.db')}:rw")
    async with changing(source, confirm="ask", mode=mode) as client:
        said = await refusal(client, "db_execute", {"sql": "DELETE FROM child", "dry_run": False})
        assert said.startswith("denied: ")
        assert "--confirm=allow" in said
        assert (await execute(client, "DELETE FROM child"))["affected"] == 3
    async with changing(source, confirm="deny", mode=mode) as client:
        assert "--confirm=deny" in await refusal(client, "db_execute", {"sql": "DELETE FROM child", "dry_run": False})
