"""A caller that leaves, or runs out of time, leaves nothing running in the engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psutil
import pytest
from mcp import Client

from servers.database.engine import Statement, Window
from servers.database.errors import DatabaseError, TooSlow, Unavailable
from servers.database.postgres.connections import Connections
from servers.database.sources import Bounds, Source, parse
from servers.database.stopping import run_stoppable
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import PATIENT, asking, data_folder, opened, query, sqlite_file
from tests.servers.database.test_programs import over_http

pytestmark = pytest.mark.anyio
SLEEPS = "SELECT pg_sleep(300)"
ENDLESS = "SELECT count(*) FROM big a, big b, big c WHERE a.id + b.id + c.id < 0"
UNSTOPPABLE = "SELECT instr(hex(zeroblob(1000000)), hex(zeroblob(500000)) || '1')"
BOUND = 5.0


async def until_running(postgres: Postgres) -> None:
    """Wait until the server runs a statement of ours."""
    with anyio.fail_after(BOUND):
        while not any("pg_sleep" in str(session) for session in await anyio.to_thread.run_sync(postgres.sessions)):
            await anyio.lowlevel.checkpoint()


async def until_idle(postgres: Postgres) -> None:
    """Wait until it runs none."""
    with anyio.fail_after(BOUND):
        while await anyio.to_thread.run_sync(postgres.sessions):
            await anyio.lowlevel.checkpoint()


async def test_a_cancelled_task_stops_its_statement_in_postgresql(world: Postgres) -> None:
    async with opened(parse(world.reader)) as engine:
        with anyio.fail_after(BOUND):
            async with anyio.create_task_group() as group:
                group.start_soon(engine.query, Statement(SLEEPS), Window())
                await until_running(world)
                group.cancel_scope.cancel()
        assert world.sessions() == []  # by the time the cancelled call has returned
        assert (await engine.query(Statement("SELECT 1"), Window())).rows == [[1]]


async def test_a_deadline_stops_its_statement_in_postgresql(world: Postgres) -> None:
    async with opened(parse(world.reader), Bounds(seconds=0.3)) as engine:
        with anyio.fail_after(BOUND), pytest.raises(DatabaseError):
            await engine.query(Statement(SLEEPS), Window())
        assert world.sessions() == []


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_client_that_gives_up_stops_its_statement(world: Postgres, mode: str) -> None:
    async with asking(parse(world.reader), PATIENT, mode) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "db_query", {"sql": SLEEPS})
            await until_running(world)
            group.cancel_scope.cancel()
        await until_idle(world)
        assert (await query(client, "SELECT 1 AS one"))["rows"] == [[1]]


async def test_a_client_that_leaves_stops_its_statement(world: Postgres) -> None:
    with anyio.fail_after(4 * BOUND):
        async with anyio.create_task_group() as group:

            async def visit() -> None:
                async with asking(parse(world.reader), PATIENT) as client:
                    await client.call_tool("db_query", {"sql": SLEEPS})

            group.start_soon(visit)
            await until_running(world)
            group.cancel_scope.cancel()
    await until_idle(world)


async def test_twenty_cancelled_calls_leave_a_healthy_pool(world: Postgres) -> None:
    async with opened(parse(world.reader)) as engine:
        for number in range(20):
            with anyio.move_on_after(0.002 * number):
                await engine.query(Statement("SELECT pg_sleep(0.02), set_config('my.note', 'x', false)"), Window())
        assert world.sessions() == []
        answer = await engine.query(Statement("SELECT count(*) FROM victim"), Window())
        assert answer.rows == [[2]]
    held = world.run(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mcp-database' AND datname = 'world'"
    )
    assert held == [(0,)]


async def test_a_lost_connection_is_replaced(world: Postgres) -> None:
    async with opened(parse(world.reader)) as engine:
        await engine.query(Statement("SELECT 1"), Window())
        world.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mcp-database'")
        assert (await engine.query(Statement("SELECT 2"), Window())).rows == [[2]]


async def test_a_new_connection_that_cannot_begin_is_closed_and_told(world: Postgres) -> None:
    connections = Connections(world.reader)
    with anyio.fail_after(BOUND), pytest.raises(Unavailable):
        async with connections.lent(b"SELECT 1/0"):
            pass
    look = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mcp-database' AND datname = 'world'"
    with anyio.fail_after(BOUND):  # the server hears of it a moment later
        while await anyio.to_thread.run_sync(world.run, look) != [(0,)]:
            await anyio.lowlevel.checkpoint()


def workers() -> set[int]:
    """The worker processes of this process."""
    found: set[int] = set()
    for child in psutil.Process(os.getpid()).children():
        if "servers.database.worker.child" in " ".join(child.cmdline()):
            found.add(child.pid)
    return found


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
async def test_no_worker_outlives_its_engine(tmp_path: Path, dialect: str) -> None:
    sqlite, folder = sqlite_file(tmp_path / "world.db"), data_folder(tmp_path / "world")
    source: Source = parse(str(sqlite) if dialect == "sqlite" else f"duckdb:{folder}")
    before = workers()
    async with opened(source) as engine:
        with anyio.move_on_after(0.3):
            await engine.query(Statement(ENDLESS), Window())
        await engine.query(Statement("SELECT 1"), Window())
        assert len(workers() - before) == 1
    assert workers() == before


async def test_a_function_that_does_not_look_up_loses_its_process(tmp_path: Path) -> None:
    """SQLite checks for an interrupt between steps; this one step takes many minutes."""
    async with opened(parse(str(sqlite_file(tmp_path / "world.db")))) as engine:
        await engine.query(Statement("SELECT 1"), Window())
        (first,) = workers()
        with anyio.fail_after(BOUND), anyio.move_on_after(0.2):
            await engine.query(Statement(UNSTOPPABLE), Window())
        assert (await engine.query(Statement("SELECT 1"), Window())).rows == [[1]]
        (second,) = workers()
    assert first != second


async def test_a_worker_that_is_killed_is_told_and_replaced(tmp_path: Path) -> None:
    async with opened(parse(str(sqlite_file(tmp_path / "world.db")))) as engine:
        await engine.query(Statement("SELECT 1"), Window())
        (worker,) = workers()
        psutil.Process(worker).kill()
        psutil.Process(worker).wait(BOUND) if psutil.pid_exists(worker) else None
        assert (await engine.query(Statement("SELECT 1"), Window())).rows == [[1]]


async def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = sqlite_file(tmp_path / "world.db")
    async with opened(parse(str(path))) as engine:
        await engine.query(Statement("SELECT 1"), Window())
        sqlite_file(tmp_path / "new.db", "CREATE TABLE fresh (a); INSERT INTO fresh VALUES (7)").replace(path)
        assert (await engine.query(Statement("SELECT a FROM fresh"), Window())).rows == [[7]]


async def test_a_stop_that_comes_between_two_statements_is_repeated() -> None:
    stops: list[str] = []
    running = anyio.Event()

    async def work() -> None:
        await anyio.lowlevel.checkpoint()  # the first stop comes before there is anything to stop
        await running.wait()

    async def stop() -> None:
        stops.append("stop")
        if len(stops) == 2:
            running.set()

    with anyio.fail_after(BOUND), anyio.CancelScope() as scope:
        scope.cancel()
        await run_stoppable(work, stop, 60.0)
    assert stops == ["stop", "stop"]


async def test_work_that_no_stop_ends_is_cancelled_in_the_end() -> None:
    async def stop() -> None:
        pass

    with anyio.fail_after(BOUND), pytest.raises(TooSlow):
        await run_stoppable(anyio.sleep_forever, stop, 0.01)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_call_given_up_over_http_stops_its_statement(world: Postgres, tmp_path: Path, mode: Any) -> None:
    with anyio.fail_after(6 * BOUND), over_http(tmp_path / "log", world.reader, "--timeout", "30") as url:
        async with Client(url, mode=mode) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "db_query", {"sql": SLEEPS})
                await until_running(world)
                group.cancel_scope.cancel()
            await until_idle(world)
            assert (await query(client, "SELECT 1 AS one"))["rows"] == [[1]]


async def test_a_client_that_leaves_over_http_stops_its_statement(world: Postgres, tmp_path: Path) -> None:
    """In the protocol of 2026; in the older one a broken connection is no cancellation, and the time limit ends it."""
    with anyio.fail_after(6 * BOUND), over_http(tmp_path / "log", world.reader, "--timeout", "30") as url:
        async with anyio.create_task_group() as group:

            async def visit() -> None:
                async with Client(url) as client:
                    await client.call_tool("db_query", {"sql": SLEEPS})

            group.start_soon(visit)
            await until_running(world)
            group.cancel_scope.cancel()
        await until_idle(world)
