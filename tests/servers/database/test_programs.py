"""The database server as a program: from its command line, over stdio and HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from mcp import Client, StdioServerParameters

from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import data_folder, sqlite_file

pytestmark = pytest.mark.anyio
PROGRAM = [sys.executable, "-m", "servers.database"]
ALONE = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": os.getcwd()}


def over_stdio(*line: str) -> StdioServerParameters:
    return StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], *line], cwd=os.getcwd())


@contextmanager
def over_http(log: Path, *line: str) -> Generator[str]:
    """Serve on a free port; yields the address once the server has said it."""
    with log.open("wb") as out:
        process = subprocess.Popen([*PROGRAM, *line, "--http", "127.0.0.1:0"], stderr=out, env=ALONE)
        try:
            yield address(process, log)
        finally:
            process.terminate()
            process.wait(10)


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait for the line that tells where the server listens."""
    end = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
        if found := re.search(r"http://127\.0\.0\.1:\d+\S*", log.read_text()):
            url = found[0].rstrip("/")
            return url if url.endswith("/mcp") else f"{url}/mcp"
    raise AssertionError(log.read_text())


async def a_walk(client: Client, expected: Any) -> None:
    """Every tool once."""
    tables = await client.call_tool("db_schema", {"detail": "summary"})
    assert not tables.is_error
    rows = await client.call_tool("db_query", {"sql": "SELECT id, note FROM victim ORDER BY id"})
    assert rows.structured_content is not None
    assert rows.structured_content["rows"] == expected
    for tool, arguments in (
        ("db_explain", {"sql": "SELECT * FROM victim"}),
        ("db_profile", {"table": "victim"}),
    ):
        assert not (await client.call_tool(tool, arguments)).is_error


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql", "duckdb"])
async def test_every_tool_answers_over_stdio_and_http(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str, mode: Any
) -> None:
    match dialect:
        case "sqlite":
            source = str(sqlite_file(tmp_path / "world.db"))
        case "postgresql":
            server: Postgres = request.getfixturevalue("world")
            source = server.reader
        case _:
            source = f"duckdb:{data_folder(tmp_path / 'world')}"
    expected = [[1, "keep"], [2, "keep2"]]
    with anyio.fail_after(60):
        async with Client(over_stdio(source), mode=mode) as client:
            await a_walk(client, expected)
        with over_http(tmp_path / "log", source) as url:
            async with Client(url, mode=mode) as client:
                await a_walk(client, expected)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_demo_shop_answers_over_stdio(tmp_path: Path, mode: Any) -> None:
    shop = tmp_path / "data" / "sample.db"
    with anyio.fail_after(30):
        async with Client(over_stdio("--demo", str(shop)), mode=mode) as client:
            tables = await client.call_tool("db_schema", {})
            assert tables.structured_content is not None
            names = [each["name"] for each in tables.structured_content["objects"]]
            assert names == ["customers", "order_items", "orders", "products"]
            counted = await client.call_tool("db_query", {"sql": "SELECT count(*) AS n FROM customers"})
            assert counted.structured_content is not None
            assert counted.structured_content["rows"] == [[24]]


def asked(process: subprocess.Popen[bytes], number: int, method: str, **params: Any) -> None:
    """Write one JSON-RPC request."""
    assert process.stdin is not None
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def test_a_killed_server_leaves_no_worker_behind(tmp_path: Path) -> None:
    """Its worker is inside one call of a function that takes an hour; it goes when its server is gone."""
    path = sqlite_file(tmp_path / "world.db")
    server = subprocess.Popen([*PROGRAM, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=ALONE)
    assert server.stdout is not None
    assert server.stdin is not None
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    asked(server, 1, "initialize", **hello)
    server.stdout.readline()
    sql = "SELECT instr(hex(zeroblob(2000000)), hex(zeroblob(1000000)) || '1')"
    asked(server, 2, "tools/call", name="db_query", arguments={"sql": "SELECT 1"})
    server.stdout.readline()
    asked(server, 3, "tools/call", name="db_query", arguments={"sql": sql})
    (worker,) = psutil.Process(server.pid).children()
    server.kill()
    server.wait(10)
    psutil.wait_procs([worker], timeout=10)
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    server.stdin.close()
    server.stdout.close()


def test_a_missing_database_ends_the_program_with_exit_code_2_and_a_reason(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, str(tmp_path / "none.db")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "There is no database file" in done.stderr


def test_drivers_are_imported_only_for_the_sources_that_need_them() -> None:
    script = (
        "import sys, servers.database.server\n"
        "heavy = {'psycopg', 'duckdb', 'sqlglot', 'numpy', 'pandas', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
