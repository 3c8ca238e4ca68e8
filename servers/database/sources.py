"""Which databases the operator serves: `[NAME=]DSN[:rw]` read into values, and engines made of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from servers.database.engine import Engine
from servers.database.errors import NoSuchThing
from servers.database.worker.engine import WorkerEngine
from servers.database.worker.session import Opening

NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,31})=(.+)", re.DOTALL)
FILE_HEADER = b"SQLite format 3\0"
WORKER_MEMORY = {"sqlite": 1024 * 1024 * 1024, "duckdb": 3 * 1024 * 1024 * 1024}
Dialect = Literal["sqlite", "postgresql", "duckdb"]


class BadSource(Exception):
    """A source cannot be used as it is written; the text says what to change, and holds no password."""


@dataclass(frozen=True)
class Source:
    """One database to serve."""

    name: str
    dialect: Dialect
    target: str
    """The file, the folder, or the connection string. May hold a password: never shown."""
    writable: bool = False

    def __repr__(self) -> str:
        """A source in a log or a traceback shows no target."""
        return f"Source({self.name!r}, {self.dialect!r}, writable={self.writable})"


@dataclass(frozen=True)
class Bounds:
    """The operator's limits for every call."""

    seconds: float = 5.0
    max_bytes: int = 256_000
    max_cell: int = 20_000
    allow_ddl: bool = False


def parse(text: str) -> Source:
    """Return the source that `[NAME=]DSN[:rw]` means. Raises `BadSource`."""
    named = NAMED.fullmatch(text)
    name, dsn = (named[1], named[2]) if named else ("", text)
    writable = dsn.endswith(":rw")
    dsn = dsn.removesuffix(":rw").removesuffix(":ro")
    scheme = dsn.partition(":")[0].lower()
    if scheme in ("postgresql", "postgres"):
        return Source(name or named_by(urlsplit(dsn).path), "postgresql", dsn, writable)
    if scheme == "duckdb":
        if writable:
            raise BadSource("A folder of data files is read-only: leave out ':rw'.")
        folder = Path(dsn.partition(":")[2].removeprefix("//")).expanduser()
        if not folder.is_dir():
            raise BadSource(f"There is no folder {folder}. Write duckdb:FOLDER with CSV, Parquet or JSON files in it.")
        return Source(name or named_by(folder.name), "duckdb", str(folder.resolve()))
    if "://" in dsn and scheme != "sqlite":
        raise BadSource(f"No engine for {scheme}://. Use a SQLite file, postgresql://... or duckdb:FOLDER.")
    path = file_of(dsn)
    return Source(name or named_by(path.stem), "sqlite", str(path), writable)


def file_of(dsn: str) -> Path:
    """Return the SQLite file of `PATH`, `sqlite:PATH` or `sqlite:///PATH`. Raises `BadSource` if it is none."""
    rest = dsn
    if dsn.lower().startswith("sqlite:"):
        rest = dsn[len("sqlite:") :]
        rest = unquote(rest[3:]) if rest.startswith("///") else rest
        # SQLAlchemy's form: three slashes and a relative path, or four and an absolute one.
        rest = rest if rest.startswith("/") or not dsn.startswith("sqlite:///") or Path(rest).exists() else f"/{rest}"
    path = Path(rest).expanduser()
    if not path.is_file():
        raise BadSource(f"There is no database file {path}. Give a SQLite file, or --demo for a sample.")
    with path.open("rb") as file:
        header = file.read(len(FILE_HEADER))
    if header not in (FILE_HEADER, b""):
        raise BadSource(f"{path} is not a SQLite database. For a folder of CSV, Parquet or JSON write duckdb:FOLDER.")
    return path.resolve()


def named_by(text: str) -> str:
    """Return a name for a source that was given none."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:32] or "db"


def distinct(sources: Sequence[Source]) -> Sequence[Source]:
    """Return the sources. Raises `BadSource` if two have one name, or if there are none."""
    if not sources:
        raise BadSource("No database to serve. Give a SQLite file, postgresql://..., duckdb:FOLDER, or --demo.")
    names = [source.name for source in sources]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise BadSource(f"Two sources are called {', '.join(sorted(twice))}. Name them: NAME=DSN.")
    return sources


def engine_of(source: Source, bounds: Bounds) -> Engine:
    """Return the engine of a source, not connected yet. A driver is imported only when a source needs it."""
    if source.dialect == "postgresql":
        from servers.database.postgres.engine import PostgresEngine

        return PostgresEngine(source.target, bounds.seconds, source.writable)
    opening = Opening(source.dialect, source.target, source.writable, WORKER_MEMORY.get(source.dialect, 0))  # pyright: ignore[reportArgumentType]
    return WorkerEngine(opening, "main", bounds.seconds)


class Sources:
    """The served databases by name, each with its engine."""

    def __init__(self, sources: Sequence[Source], bounds: Bounds) -> None:
        self.bounds = bounds
        self.engines: dict[str, Engine] = {source.name: engine_of(source, bounds) for source in sources}

    def engine(self, name: str | None) -> Engine:
        """Return an engine; without a name that of the first source. Raises `NoSuchThing`."""
        if name is None:
            name = self.first
        if name not in self.engines:
            raise NoSuchThing(f"No source {name!r}. There are: {', '.join(self.engines)}.")
        return self.engines[name]

    @property
    def first(self) -> str:
        """The name of the first source."""
        return next(iter(self.engines))

    async def aclose(self) -> None:
        """Close every engine."""
        for engine in self.engines.values():
            await engine.aclose()
