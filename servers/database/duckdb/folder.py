"""A folder of data files as tables: which files there are, and what each is called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".csv.gz": "read_csv",
    ".parquet": "read_parquet",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
DEEPEST = 4
MOST_FILES = 1_000


@dataclass(frozen=True)
class DataFile:
    """A file that is served as a table."""

    table: str
    path: str
    """Relative to the folder."""
    reader: str
    """The table function that reads it."""
    changed: tuple[int, int, int]
    """Inode, size and time of change: what tells that it is another file now."""


def data_files(root: Path) -> list[DataFile]:
    """Return the data files below a folder, by path; hidden ones, symbolic links and special files are left out."""
    files: list[DataFile] = []
    taken: set[str] = set()
    for path in sorted(walked(root)):
        ending = next((ending for ending in READERS if path.lower().endswith(ending)), None)
        if ending is None or len(files) >= MOST_FILES:
            continue
        stat = (root / path).stat(follow_symlinks=False)
        table = called(path, ending, taken)
        files.append(DataFile(table, path, READERS[ending], (stat.st_ino, stat.st_size, stat.st_mtime_ns)))
    return files


def walked(root: Path) -> Iterator[str]:
    """Yield the regular files below a folder, relative to it."""
    for folder, folders, names in os.walk(root, followlinks=False):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not name.startswith(".") and len(inside.parts) < DEEPEST]
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield str(inside / name)


def called(path: str, ending: str, taken: set[str]) -> str:
    """Return the table name of a file: its path without the ending, in letters, digits and `_`; made unique."""
    base = re.sub(r"\W+", "_", path[: -len(ending)]).strip("_").lower() or "data"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    taken.add(name)
    return name
