"""What a SQLite connection may do here: an allow-list asked by SQLite itself for every statement, and limits.

The authorizer sees the parsed statement, so neither comments nor string tricks pass it (https://sqlite.org/c3ref/set_authorizer.html).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

import apsw

OK, DENY = apsw.SQLITE_OK, apsw.SQLITE_DENY
READS = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_RECURSIVE})
WRITES = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE})
SHAPES = frozenset(
    getattr(apsw, f"SQLITE_{verb}_{noun}")
    for verb in ("CREATE", "DROP")
    for noun in ("TABLE", "INDEX", "VIEW", "TRIGGER")
) | {apsw.SQLITE_ALTER_TABLE, apsw.SQLITE_REINDEX}
CATALOG_TABLES = frozenset({"sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"})

FORBIDDEN_FUNCTIONS = frozenset(
    {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "lsdir", "fsdir", "sqlite_dbpage", "eval"}
)
PRAGMAS = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"}
    | {"collation_list", "function_list", "compile_options"}
)
"""Pragmas that only describe; their argument names what to describe."""
VALUE_PRAGMAS = frozenset({"user_version", "application_id", "page_count", "page_size", "encoding", "schema_version"})
"""Pragmas that tell a value, and set it when they get an argument: allowed without one."""

LIMITS = {
    apsw.SQLITE_LIMIT_LENGTH: 5_000_000,
    apsw.SQLITE_LIMIT_SQL_LENGTH: 200_000,
    apsw.SQLITE_LIMIT_EXPR_DEPTH: 200,
    apsw.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    apsw.SQLITE_LIMIT_ATTACHED: 0,
    apsw.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 1_000,
    apsw.SQLITE_LIMIT_COLUMN: 1_000,
    apsw.SQLITE_LIMIT_VDBE_OP: 250_000,
    apsw.SQLITE_LIMIT_WORKER_THREADS: 0,
    apsw.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
}
HEAP = 256 * 1024 * 1024
EPONYMOUS = (
    "json_each('[]')",
    "json_tree('[]')",
    "pragma_table_info('x')",
    "pragma_table_xinfo('x')",
    "pragma_index_list('x')",
    "pragma_index_info('x')",
    "pragma_index_xinfo('x')",
    "pragma_foreign_key_list('x')",
    "pragma_table_list",
    "pragma_function_list",
    "pragma_collation_list",
)
Authorizer = Callable[[int, str | None, str | None, str | None, str | None], int]


def connect(path: str, writable: bool) -> apsw.Connection:
    """Return a connection that holds to the limits; whoever uses it sets the authorizer. Raises `apsw.Error`."""
    access = apsw.SQLITE_OPEN_READWRITE if writable else apsw.SQLITE_OPEN_READONLY
    uri = f"file:{quote(path)}?mode={'rw' if writable else 'ro'}"
    connection = apsw.Connection(uri, flags=access | apsw.SQLITE_OPEN_URI)
    for option, on in (
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
        (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, 0),
        (apsw.SQLITE_DBCONFIG_DQS_DML, 0),  # "nope" is a misspelt column, not a text
        (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
        (apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, int(writable)),
        (apsw.SQLITE_DBCONFIG_ENABLE_FKEY, int(writable)),
    ):
        connection.config(option, on)
    for setting in (f"query_only={int(not writable)}", "cell_size_check=1", "temp_store=2", f"hard_heap_limit={HEAP}"):
        connection.execute(f"PRAGMA {setting}").fetchall()
    connection.set_busy_timeout(1_000)
    for limit, value in LIMITS.items():
        connection.limit(limit, value)
    for table in EPONYMOUS:
        # Declaring such a table asks the authorizer for an UPDATE of the schema; done here, it never asks again.
        connection.execute(f"SELECT 1 FROM {table} LIMIT 0").fetchall()
    return connection


def reading(action: int, first: str | None, second: str | None, _db: str | None, _trigger: str | None) -> int:
    """Allow what only reads: SELECT, plain functions, and pragmas that describe."""
    if action in READS:
        return OK
    if action == apsw.SQLITE_FUNCTION:
        return DENY if (second or "").lower() in FORBIDDEN_FUNCTIONS else OK
    if action == apsw.SQLITE_PRAGMA:
        pragma = (first or "").lower()
        return OK if pragma in PRAGMAS or (pragma in VALUE_PRAGMAS and second is None) else DENY
    return DENY


def writing(allow_ddl: bool) -> Authorizer:
    """Return an authorizer that allows changes of rows, and of tables if `allow_ddl`; never of files or settings."""

    def authorizer(action: int, first: str | None, second: str | None, db: str | None, trigger: str | None) -> int:
        if action in WRITES:
            return OK if allow_ddl or (first or "").lower() not in CATALOG_TABLES else DENY
        if action in SHAPES:
            return OK if allow_ddl else DENY
        return reading(action, first, second, db, trigger)

    return authorizer
