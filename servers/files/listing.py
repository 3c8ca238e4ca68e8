"""What a folder holds, in pages."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from servers.files.errors import OutOfTime
from servers.files.folder import Folder
from servers.files.globs import Glob
from servers.files.patience import Patience
from servers.files.walking import Kind, Skipped, Stretch, Walk

Sort = Literal["name", "size", "mtime"]
Position = tuple[float, str]
"""Where a page ended: the value it is sorted by (0 for names), and the path."""


class Entry(NamedTuple):
    """Something in a folder."""

    path: str
    """Relative to the folder."""
    kind: Kind
    size: int | None
    """Bytes; None for what is no file."""
    mtime: float
    """Seconds since 1970."""


@dataclass(frozen=True)
class Listing:
    """What to list."""

    folder: Folder
    path: str = ""
    depth: int = 1
    glob: str | None = None
    kind: Literal["file", "dir"] | None = None
    sort: Sort = "name"
    hidden: bool = False
    ignored: bool = False
    limit: int = 200
    after: Position | None = None


@dataclass(frozen=True)
class Listed:
    """One page of a listing."""

    entries: tuple[Entry, ...]
    truncated: Literal["entries", "time"] | None
    after: Position | None
    """Where the next page starts; None at the end, and where there is no way to go on."""


def listed(listing: Listing, patience: Patience) -> Listed:
    """Return a page of `listing`. Raises `FilesError` when there is no such folder."""
    skipped = Skipped()
    entries: list[Entry] = []
    try:
        if listing.sort != "name":
            return _sorted_page(listing, patience, skipped)
        for some in _wanted(listing, patience, skipped):
            entries += some
            if len(entries) > listing.limit:
                kept = tuple(entries[: listing.limit])
                return Listed(kept, "entries", (0, kept[-1].path))
    except OutOfTime:
        if not entries:
            raise
        return Listed(tuple(entries), "time", (0, entries[-1].path))
    return Listed(tuple(entries), "entries" if skipped.crowded else None, None)


def _sorted_page(listing: Listing, patience: Patience, skipped: Skipped) -> Listed:
    """The largest or the newest first; of a folder as large as it may be, only the page is held in memory."""
    after = listing.after

    def rank(entry: Entry) -> tuple[float, str]:
        return -float(entry.mtime if listing.sort == "mtime" else entry.size or 0), entry.path

    everything = itertools.chain.from_iterable(_wanted(listing, patience, skipped))
    rest = (entry for entry in everything if after is None or rank(entry) > after)
    page = heapq.nsmallest(listing.limit + 1, rest, key=rank)
    kept = tuple(page[: listing.limit])
    if len(page) > listing.limit:
        return Listed(kept, "entries", rank(kept[-1]))
    return Listed(kept, "entries" if skipped.crowded else None, None)


def _wanted(listing: Listing, patience: Patience, skipped: Skipped) -> Iterator[list[Entry]]:
    """What is to be listed, neighbours together."""
    after = listing.after[1] if listing.after and listing.sort == "name" else ""
    walk = Walk(listing.folder, listing.path, listing.depth, listing.hidden, listing.ignored, after)
    glob = Glob(listing.glob) if listing.glob else None
    for stretch in walk.stretches(patience, skipped):
        names = stretch.names
        if listing.kind is not None:
            names = [name for name in names if stretch.odd.get(name, "file") == listing.kind]
        if glob is not None:
            names = glob.among(names, beneath(stretch.prefix, listing.path))
        yield _entries(stretch, names)


def _entries(stretch: Stretch, names: Sequence[str]) -> list[Entry]:
    prefix, odd, parent, look = stretch.prefix, stretch.odd, stretch.parent, os.stat
    try:
        states = [look(name, dir_fd=parent, follow_symlinks=False) for name in names]
    except OSError:  # one is gone meanwhile: look again at each on its own
        return [] if len(names) == 1 else [entry for name in names for entry in _entries(stretch, [name])]
    if odd:
        kinds: list[Kind] = [odd.get(name, "file") for name in names]
        return [
            Entry(prefix + name, kind, state.st_size if kind == "file" else None, state.st_mtime)
            for name, kind, state in zip(names, kinds, states, strict=True)
        ]
    return [
        Entry(prefix + name, "file", state.st_size, state.st_mtime) for name, state in zip(names, states, strict=True)
    ]


def beneath(path: str, start: str) -> str:
    """Return `path` as seen from `start`."""
    return path.removeprefix(start + "/") if start else path
