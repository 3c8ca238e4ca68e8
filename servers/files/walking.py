"""Go through a folder in one fixed order: by name, each directory before what it holds.

The order makes pages possible without memory: the last path of a page says where the next one starts. Links are named
and never followed; at any moment one descriptor per level is open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from servers.files.folder import Folder, translated
from servers.files.ignoring import Ignoring
from servers.files.opening import CAREFUL, DIRECTORY, NO_FOLLOW
from servers.files.patience import Patience

Kind = Literal["file", "dir", "link", "other"]
DEEPEST = 64
"""Levels below the start; what lies deeper is not visited."""
CROWDED = 50_000
"""Entries of one directory that are looked at."""
NEVER_ENTERED = (".git", ".hg", ".svn", ".jj")
"""A walk goes into these only when it starts there."""


@dataclass(frozen=True)
class Found:
    """Something that the walk came by; its descriptor is good until the walk goes on."""

    path: str
    """Relative to the folder."""
    name: str
    kind: Kind
    parent: int = field(repr=False)
    """The open directory that it lies in."""

    def status(self) -> os.stat_result | None:
        """Return what the disk says about it, or None when it is gone."""
        try:
            return os.stat(self.name, dir_fd=self.parent, follow_symlinks=False)
        except OSError:
            return None


@dataclass
class Skipped:
    """Counts what a walk passed over; the walk adds, its owner reads."""

    ignored: int = 0
    """Left out by a `.gitignore`."""
    unreadable: int = 0
    """Directories that could not be opened."""
    crowded: int = 0
    """Directories with more entries than are looked at, or below the deepest level."""


@dataclass(frozen=True)
class Walk:
    """Where to go and what to leave out."""

    folder: Folder
    start: str = ""
    depth: int = DEEPEST
    """How many levels below the start are visited; 1 is the directory itself."""
    hidden: bool = False
    ignored: bool = False
    after: str = ""
    """The last path of the page before: only what comes after it is yielded."""
    inclusive: bool = False
    """Yield `after` itself too, if it is still there."""

    def run(self, patience: Patience, skipped: Skipped) -> Iterator[Found]:
        """Yield everything in order. Raises `FilesError` when the start is no directory, `OutOfTime` on the way."""
        with self.folder.directory(self.start) as top:
            rules = Ignoring() if self.ignored else self._rules_above(top.path)
            prefix = top.path + "/" if top.path else ""
            after = self.after.removeprefix(prefix).split("/") if self.after else []
            own = os.dup(top.fd)
            yield from self._directory(own, top.path, rules, min(self.depth, DEEPEST), after, patience, skipped)

    def _directory(
        self,
        fd: int,
        path: str,
        rules: Ignoring,
        depth: int,
        after: Sequence[str],
        patience: Patience,
        skipped: Skipped,
    ) -> Iterator[Found]:
        """Yield what is in `fd`, and in the directories in it; closes `fd`."""
        try:
            entries = _entries(fd, skipped)
            if not self.ignored and any(name == ".gitignore" for name, _ in entries):
                rules = rules.beneath(path, fd)
            prefix = path + "/" if path else ""
            for name, kind in entries:
                if after and name < after[0]:
                    continue
                resumed = bool(after) and name == after[0]
                inner = after[1:] if resumed else ()
                if not self.hidden and name.startswith("."):
                    continue
                if rules.rules and rules.leaves_out(prefix + name, is_directory=kind == "dir"):
                    skipped.ignored += 1
                    continue
                patience.check()
                if not resumed or (self.inclusive and not inner):
                    yield Found(prefix + name, name, kind, fd)
                if kind == "dir" and name not in NEVER_ENTERED:
                    below = self._enter(fd, name, depth, skipped)
                    if below is not None:
                        yield from self._directory(below, prefix + name, rules, depth - 1, inner, patience, skipped)
        finally:
            os.close(fd)

    def _enter(self, fd: int, name: str, depth: int, skipped: Skipped) -> int | None:
        if depth <= 1:
            skipped.crowded += self.depth >= DEEPEST
            return None
        if self.folder.rules.closed_to_reading(name):
            return None
        try:
            return os.open(name, os.O_RDONLY | DIRECTORY | NO_FOLLOW | CAREFUL, dir_fd=fd)
        except OSError:
            skipped.unreadable += 1
            return None

    def _rules_above(self, path: str) -> Ignoring:
        """The rules of the directories above `path`; none when `path` itself is ignored: then it was asked for."""
        rules = Ignoring()
        parts = path.split("/") if path else []
        for count in range(len(parts)):
            with self.folder.directory("/".join(parts[:count])) as above:
                rules = rules.beneath("/".join(parts[:count]), above.fd)
            if rules.leaves_out("/".join(parts[: count + 1]), is_directory=True):
                return Ignoring()
        return rules


def _entries(fd: int, skipped: Skipped) -> list[tuple[str, Kind]]:
    entries: list[tuple[str, Kind]] = []
    with translated("this folder"), os.scandir(fd) as found:
        for entry in found:
            if len(entries) >= CROWDED:
                skipped.crowded += 1
                break
            entries.append((entry.name, _kind(entry)))
    entries.sort()
    return entries


def _kind(entry: os.DirEntry[str]) -> Kind:
    try:
        if entry.is_file(follow_symlinks=False):
            return "file"
        if entry.is_dir(follow_symlinks=False):
            return "dir"
        return "link" if entry.is_symlink() else "other"
    except OSError:  # gone between the two looks
        return "other"
