"""A PostgreSQL for the session, and the three databases of `stage`."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from servers.database.sources import Source, parse
from tests.servers.database.postgres_server import Postgres, serving
from tests.servers.database.stage import POSTGRES_WORLD, data_folder, sqlite_file


@pytest.fixture(scope="session")
def postgres_server() -> Generator[Postgres]:
    with serving() as postgres:
        yield postgres


@pytest.fixture(scope="session")
def world(postgres_server: Postgres) -> Postgres:
    """The world, for tests that only read."""
    return postgres_server.database_called("world", POSTGRES_WORLD)


@pytest.fixture(scope="session")
def scratch(postgres_server: Postgres) -> Postgres:
    """A database for tests that make their own tables."""
    return postgres_server.database_called("scratch", "SELECT 1")


@pytest.fixture
def postgres(postgres_server: Postgres) -> Postgres:
    """A fresh copy of the world, for a test that may change it."""
    return postgres_server.database_called("fresh", POSTGRES_WORLD)


@pytest.fixture(params=["sqlite", "postgresql", "duckdb"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    """The world in each engine, read-only."""
    match request.param:
        case "sqlite":
            return parse(f"world={sqlite_file(tmp_path / 'world.db')}")
        case "postgresql":
            return parse(f"world={request.getfixturevalue('world').reader}")
        case _:
            return parse(f"world=duckdb:{data_folder(tmp_path / 'world')}")
