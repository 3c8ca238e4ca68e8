"""The seam behind the tools: what every database engine must be able to do, and the values it speaks in.

SQLite and DuckDB answer it from a worker process (`worker/`), PostgreSQL from a connection pool (`postgres/`). Another
engine (MySQL, MariaDB) is one more class with these methods; all of them answer the one contract test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Kind = Literal["table", "view", "column", "index", "function", "schema"]
Cut = Literal["rows", "bytes", "cell"]
Parameters = Sequence[Any] | Mapping[str, Any] | None


@dataclass(frozen=True)
class Statement:
    """One SQL statement, as the caller wrote it, and the values of its parameters."""

    sql: str
    params: Parameters = None


@dataclass(frozen=True)
class Window:
    """Which part of a result is wanted, and how much of it at most."""

    max_rows: int = 200
    offset: int = 0
    max_bytes: int = 256_000
    """Of all cells together, as JSON."""
    max_cell: int = 20_000
    """Characters of one cell; the rest is cut and marked."""


@dataclass(frozen=True)
class Column:
    """A column of a result; `type` is the engine's name for it, empty if the engine does not know."""

    name: str
    type: str = ""


@dataclass(frozen=True)
class Answer:
    """The rows of one window, as JSON values (see `values.py` for the mapping)."""

    columns: list[Column]
    rows: list[list[Any]]
    truncated: Cut | None = None
    """Why this is not all: more rows, more bytes, or a cell that was too long. None: it is all."""
    next_offset: int | None = None
    """Where the next window starts; None after the last row."""
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Plan:
    """How the engine would run a statement, or did."""

    plan: str
    warnings: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class Change:
    """A statement that writes, and how far it may go."""

    statement: Statement
    commit: bool
    """False: everything is rolled back after counting."""
    max_affected: int
    allow_ddl: bool
    window: Window = field(default_factory=Window)
    """Of the rows that RETURNING gives."""


@dataclass(frozen=True)
class Outcome:
    """What a change did, or would have done."""

    affected: int
    committed: bool
    returning: Answer | None = None
    rolled_back_reason: str | None = None


@dataclass(frozen=True)
class Search:
    """Which objects of a database are wanted."""

    kind: Kind
    like: str
    """A LIKE pattern in lower case with `\\` as escape; matched against the lower-case name."""
    schema: str | None
    limit: int
    offset: int


@dataclass(frozen=True)
class Found:
    """An object by its name. Columns and indexes say to which table they belong."""

    schema: str
    name: str
    kind: Kind
    table: str | None = None
    type: str | None = None
    """Of a column its type, of a function its arguments and result."""
    comment: str | None = None
    row_estimate: int | None = None


@dataclass(frozen=True)
class TableColumn:
    """A column as it is declared."""

    name: str
    type: str
    nullable: bool = True
    default: str | None = None
    pk: bool = False
    comment: str | None = None


@dataclass(frozen=True)
class ForeignKey:
    """A reference from columns of a table to columns of another."""

    columns: list[str]
    table: str
    references: list[str]


@dataclass(frozen=True)
class Index:
    """An index, its columns (or expressions) in order."""

    name: str
    columns: list[str]
    unique: bool = False


@dataclass(frozen=True)
class Table:
    """Everything `db_schema` says about one table or view. `row_estimate` never counts rows."""

    schema: str
    name: str
    kind: Kind
    columns: list[TableColumn]
    foreign_keys: list[ForeignKey] = field(default_factory=list[ForeignKey])
    indexes: list[Index] = field(default_factory=list[Index])
    comment: str | None = None
    row_estimate: int | None = None


class Engine(Protocol):
    """A database behind the tools. Every method raises `DatabaseError` and nothing else that is expected.

    A call that is cancelled, or passes its deadline, stops its statement in the engine before it returns; nothing of
    one call (settings, temporary tables, locks, transactions) is seen by the next.
    """

    @property
    def dialect(self) -> str:
        """The engine's name as the model knows it: `sqlite`, `postgresql`, `duckdb`."""
        ...

    @property
    def default_schema(self) -> str:
        """The schema of names that have none; answers leave it out."""
        ...

    async def query(self, statement: Statement, window: Window) -> Answer:
        """Return one window of the rows of a statement that only reads."""
        ...

    async def explain(self, statement: Statement, analyze: bool) -> Plan:
        """Return the plan of a statement that only reads; with `analyze`, run it and say what happened."""
        ...

    async def execute(self, change: Change) -> Outcome:
        """Run a statement that writes, in a transaction of its own. Raises `Refused` where the source is read-only."""
        ...

    async def find(self, search: Search) -> list[Found]:
        """Return the objects that match, ordered by schema and name."""
        ...

    async def describe(self, tables: Sequence[tuple[str, str]]) -> list[Table]:
        """Return the named tables and views (schema, name) in that order; unknown ones are left out."""
        ...

    async def sample(self, table: tuple[str, str], rows: int) -> str:
        """Return a sub-select `(SELECT ...)` of at most `rows` rows: all of a small table, a part of a large one.

        The same call gives the same rows as long as nobody writes.
        """
        ...

    async def aclose(self) -> None:
        """Stop what runs and let go of connections and processes."""
        ...
