"""Go through a folder in one fixed order: by name, each directory before what it holds.

The order makes pages possible without memory: the last path of a page says where the next one starts. Links are named
and never followed; at any moment one descriptor per level is open.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
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
            for turn in itertools.count():
                if turn % LOOKS == 0:
                    patience.check()
                level = levels[-1]
                if not level.entries:
                    os.close(levels.pop().fd)
                    if not levels:
                        return
                    continue
                name, kind = level.entries.pop()
                resumed = level.after and name == level.after[0]
                inner = level.after[1:] if resumed else ()
                if level.rules.rules and level.rules.leaves_out(level.prefix + name, is_directory=kind == "dir"):
                    skipped.ignored += 1
                    continue
                if not resumed or (self.inclusive and not inner):
                    yield Found(level.prefix + name, name, kind, level.fd)
                if kind == "dir" and name not in NEVER_ENTERED:
                    fd = self._enter(level.fd, name, level.depth, skipped)
                    if fd is not None:
                        below = level.prefix + name + "/"
                        levels.append(self._level(fd, below, level.rules, level.depth - 1, inner, skipped))
        finally:
            for level in levels:
                os.close(level.fd)

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
