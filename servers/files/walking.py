"""Go through a folder in one fixed order: by name, each directory before what it holds.

The order makes pages possible without memory: the last path of a page says where the next one starts. Links are named
and never followed; at any moment one descriptor per level is open.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from servers.files.folder import Folder, translated
from servers.files.ignoring import Ignoring
from servers.files.opening import CAREFUL, DIRECTORY, NO_FOLLOW
from servers.files.patience import Patience

Kind = Literal["file", "dir", "link", "other"]
DEEPEST = 64
"""Levels below the start; what lies deeper is not visited."""
CROWDED = 50_000
"""Entries of one directory that are looked at."""
LOOKS = 64
"""Entries between two looks at the clock."""
NEVER_ENTERED = (".git", ".hg", ".svn", ".jj")
"""A walk goes into these only when it starts there."""


class Found(NamedTuple):
    """Something that the walk came by; its descriptor is good until the walk goes on."""

    path: str
    """Relative to the folder."""
    name: str
    kind: Kind
    parent: int
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
class _Level:
    """One directory on the way down."""

    fd: int
    prefix: str
    """Its path with a final slash; `""` at the top."""
    entries: list[tuple[str, Kind]]
    """What is still to be visited, the next one last."""
    rules: Ignoring
    depth: int
    after: Sequence[str]


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
            first = os.dup(top.fd)
        levels = [self._level(first, prefix, rules, min(self.depth, DEEPEST), after, skipped)]
        try:
            while levels:
                below = yield from self._visit(levels[-1], patience, skipped)
                if below is not None:
                    levels.append(below)
                else:
                    os.close(levels.pop().fd)
        finally:
            for level in levels:
                os.close(level.fd)

    def _visit(self, level: _Level, patience: Patience, skipped: Skipped) -> Generator[Found, None, _Level | None]:
        """Yield what is left in a directory up to the first one below it, which is returned; None at the end."""
        entries, prefix, fd, after = level.entries, level.prefix, level.fd, level.after
        rules = level.rules if level.rules.rules else None
        while entries:
            if len(entries) % LOOKS == 0:
                patience.check()
            name, kind = entries.pop()
            path = prefix + name
            resumed = after and name == after[0]
            if rules is not None and rules.leaves_out(path, is_directory=kind == "dir"):
                skipped.ignored += 1
                continue
            if not resumed or (self.inclusive and len(after) == 1):
                yield Found(path, name, kind, fd)
            if kind == "dir" and name not in NEVER_ENTERED:
                below = self._enter(fd, name, level.depth, skipped)
                if below is not None:
                    inner = after[1:] if resumed else ()
                    return self._level(below, path + "/", level.rules, level.depth - 1, inner, skipped)
        patience.check()
        return None

    def _level(
        self, fd: int, prefix: str, rules: Ignoring, depth: int, after: Sequence[str], skipped: Skipped
    ) -> _Level:
        """A directory with what is to be visited in it, the first entry last."""
        try:
            entries = _entries(fd, skipped)
        except BaseException:
            os.close(fd)
            raise
        if not self.ignored and any(name == ".gitignore" for name, _ in entries):
            rules = rules.beneath(prefix.rstrip("/"), fd)
        if after or not self.hidden:
            least = after[0] if after else ""
            entries = [each for each in entries if each[0] >= least and (self.hidden or each[0][0] != ".")]
        entries.reverse()
        return _Level(fd, prefix, entries, rules, depth, after)

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
    with translated("this folder"), os.scandir(fd) as found:
        some = itertools.islice(found, CROWDED)
        entries: list[tuple[str, Kind]] = [
            (each.name, "file" if each.is_file(follow_symlinks=False) else _kind(each)) for each in some
        ]
        if next(found, None) is not None:
            skipped.crowded += 1
    entries.sort()
    return entries


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    return "link" if entry.is_symlink() else "other"
