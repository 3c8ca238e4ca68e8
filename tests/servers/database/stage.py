"""The databases that the tests ask: the same small world in SQLite, PostgreSQL and a folder of data files."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import anyio
import apsw
from anyio.from_thread import start_blocking_portal
from mcp import Client
from mcp.types import CallToolResult, TextContent

from servers.database import server
from servers.database.engine import Engine
from servers.database.sources import Bounds, Source, engine_of, parse

T = TypeVar("T")
QUICK = Bounds(seconds=1.0)
PATIENT = Bounds(seconds=20.0)
BIG = 20_000
VICTIMS = [[1, "keep"], [2, "keep2"]]
SQLITE_WORLD = f"""
CREATE TABLE victim (id INTEGER PRIMARY KEY, note TEXT NOT NULL);
INSERT INTO victim (note) VALUES ('keep'), ('keep2');
CREATE TABLE child (id INTEGER PRIMARY KEY, victim_id INTEGER REFERENCES victim (id) ON DELETE CASCADE);
INSERT INTO child (victim_id) VALUES (1), (1), (2);
CREATE INDEX child_by_victim ON child (victim_id);
CREATE VIEW notes AS SELECT note FROM victim;
CREATE TABLE big AS WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < {BIG})
  SELECT i AS id, 'row ' || i AS t FROM g;
"""
POSTGRES_WORLD = f"""
CREATE TABLE victim (id serial PRIMARY KEY, note text NOT NULL);
INSERT INTO victim (note) VALUES ('keep'), ('keep2');
CREATE TABLE child (id serial PRIMARY KEY, victim_id integer REFERENCES victim (id) ON DELETE CASCADE);
INSERT INTO child (victim_id) VALUES (1), (1), (2);
CREATE INDEX child_by_victim ON child (victim_id);
CREATE VIEW notes AS SELECT note FROM victim;
CREATE TABLE big AS SELECT g AS id, 'row ' || g AS t FROM generate_series(1, {BIG}) g;
ANALYZE
"""


def sqlite_file(path: Path, sql: str = SQLITE_WORLD) -> Path:
    """Make a database file."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA synchronous = off").fetchall()
    connection.execute(sql).fetchall()
    connection.close()
    return path


def rows_in(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Read a database file beside the server."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def data_folder(path: Path) -> Path:
    """Make a folder of data files with the same tables."""
    path.mkdir()
    (path / "victim.csv").write_text("id,note\n1,keep\n2,keep2\n")
    (path / "child.json").write_text(
        "".join(json.dumps({"id": i, "victim_id": v}) + "\n" for i, v in ((1, 1), (2, 1), (3, 2)))
    )
    (path / "big.csv").write_text("id,t\n" + "".join(f"{i},row {i}\n" for i in range(1, BIG + 1)))
    return path


@asynccontextmanager
async def asking(
    sources: Source | Sequence[Source], bounds: Bounds = PATIENT, mode: Any = "auto", **options: Any
) -> AsyncGenerator[Client]:
    """A client of a server of these databases, in this process."""
    listed = [sources] if isinstance(sources, Source) else sources
    confirm = options.pop("confirm", "ask")
    with anyio.fail_after(60):
        async with Client(server.build(listed, bounds, confirm=confirm), mode=mode, **options) as client:
            yield client


@asynccontextmanager
async def opened(source: Source, bounds: Bounds = PATIENT) -> AsyncGenerator[Engine]:
    """The engine of a database, below the protocol."""
    engine = engine_of(source, bounds)
    try:
        with anyio.fail_after(60):
            yield engine
    finally:
        with anyio.CancelScope(shield=True):
            await engine.aclose()


@contextmanager
def lasting(source: Source) -> Generator[Callable[[Callable[[Engine], Awaitable[T]]], T]]:
    """Lends a way to ask one engine again and again from a test that is not async."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(opened_for_long(source)) as engine:
        yield lambda ask: portal.call(ask, engine)


@asynccontextmanager
async def opened_for_long(source: Source) -> AsyncGenerator[Engine]:
    """The engine of a database, without a time limit of its own."""
    engine = engine_of(source, PATIENT)
    try:
        yield engine
    finally:
        await engine.aclose()


def text_of(result: CallToolResult) -> str:
    """The text a model reads."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def query(client: Client, sql: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer to a query that must succeed."""
    result = await client.call_tool("db_query", {"sql": sql, **arguments})
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


async def refusal(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """The text of a call that must be refused: `code: what and what to do`."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{arguments} was answered: {text_of(result)[:300]}"
    return text_of(result)


def source_of(path: Path | str, **changes: Any) -> Source:
    """A source as the command line would make it."""
    return parse(f"{path}{':rw' if changes.get('writable') else ''}")


async def outcome_of(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """What a call said: the text of its refusal, or `answered: ...`."""
    result = await client.call_tool(tool, arguments)
    return text_of(result) if result.is_error else f"answered: {text_of(result)[:300]}"
