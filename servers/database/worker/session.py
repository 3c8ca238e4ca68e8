"""What a worker process serves: one embedded database, called from one thread, stoppable from another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from servers.database.engine import Answer, Change, Found, Outcome, Plan, Search, Statement, Table, Window


@dataclass(frozen=True)
class Opening:
    """What a worker is told when it starts."""

    dialect: Literal["sqlite", "duckdb"]
    path: str
    """The database file, or the folder of data files."""
    writable: bool
    memory: int
    """Bytes of address space the worker may use in all."""


class Session(Protocol):
    """An embedded database: the methods of `Engine`, without waiting. Raises `DatabaseError`."""

    def query(self, statement: Statement, window: Window) -> Answer:
        """See `Engine.query`."""
        ...

    def explain(self, statement: Statement, analyze: bool) -> Plan:
        """See `Engine.explain`."""
        ...

    def execute(self, change: Change) -> Outcome:
        """See `Engine.execute`."""
        ...

    def find(self, search: Search) -> list[Found]:
        """See `Engine.find`."""
        ...

    def describe(self, tables: Sequence[tuple[str, str]]) -> list[Table]:
        """See `Engine.describe`."""
        ...

    def sample(self, table: tuple[str, str], rows: int) -> str:
        """See `Engine.sample`."""
        ...

    def interrupt(self) -> None:
        """Make the call that runs now fail soon. Called from another thread."""
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...
