"""Go through a folder in one fixed order: by name, each directory before what it holds.

The order makes pages possible without memory: the last path of a page says where the next one starts. Links are named
and never followed; at any moment one descriptor per level is open.
"""

from __future__ import annotations

import itertools
import os
from bisect import bisect_left
from collections.abc import Generator, Iterator, Mapping, Sequence
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
"""Entries between two looks at the clock, and the most of one stretch."""
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


class Stretch(NamedTuple):
    """Neighbours in one directory, in order; the descriptor is good until the walk goes on.

    A walk goes by stretches because a step for each file would cost more than the file.
    """

    prefix: str
    """The directory's path with a final slash; `""` at the top."""
    names: Sequence[str]
    """Never empty."""
    odd: Mapping[str, Kind]
    """Of the names in this directory, those that are no files."""
    parent: int
    """The open directory."""


@dataclass
class Skipped:
    """Counts what a walk passed over; the walk adds, its owner reads."""

    ignored: int = 0
    """Left out by a `.gitignore`."""
    unreadable: int = 0
    """Directories that could not be opened."""
    crowded: int = 0
    """Directories with more entries than are looked at, or below the deepest level."""


@dataclass
class _Level:
    """One directory on the way down."""

    fd: int
    prefix: str
    """Its path with a final slash; `""` at the top."""
    names: list[str]
    odd: Mapping[str, Kind]
    stops: list[int]
    """Where in `names` the directories are that are to be entered, the next one last."""
    rules: Ignoring
    depth: int
    after: Sequence[str]
    at: int = 0
    """The place in `names` that is visited next."""

    def is_directory(self, name: str) -> bool:
        """Say whether `name` is a directory."""
        return self.odd.get(name) == "dir"

    def next(self) -> tuple[int, int, bool]:
        """Move on; from where to where, and whether what comes last there is to be entered."""
        start, stop = self.at, self.stops[-1] if self.stops else -1
        end = start + 1 if self.rules.rules else min(start + LOOKS, len(self.names))
        enters = 0 <= stop < end
        if enters:
            end = self.stops.pop() + 1
        self.at = end
        return start, end, enters


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
        for prefix, names, odd, parent in self.stretches(patience, skipped):
            for name in names:
                yield Found(prefix + name, name, odd.get(name, "file"), parent)

    def stretches(self, patience: Patience, skipped: Skipped) -> Iterator[Stretch]:
        """Yield the same as `run`, neighbours together, and raise the same."""
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

    def _visit(self, level: _Level, patience: Patience, skipped: Skipped) -> Generator[Stretch, None, _Level | None]:
        """Yield what is left in a directory up to the first one below it, which is returned; None at the end."""
        names, after = level.names, level.after
        while level.at < len(names):
            patience.check()
            start, end, enters = level.next()
            last = names[end - 1]
            if level.rules.rules and level.rules.leaves_out(level.prefix + last, is_directory=level.is_directory(last)):
                skipped.ignored += 1
                continue
            resumed = start == 0 and bool(after) and names[0] == after[0]
            seen = start + (resumed and not (self.inclusive and len(after) == 1))
            if seen < end:
                yield Stretch(level.prefix, names[seen:end], level.odd, level.fd)
            if enters and (below := self._enter(level.fd, last, level.depth, skipped)) is not None:
                inner = after[1:] if resumed and end == 1 else ()
                return self._level(below, f"{level.prefix}{last}/", level.rules, level.depth - 1, inner, skipped)
        return None

    def _level(
        self, fd: int, prefix: str, rules: Ignoring, depth: int, after: Sequence[str], skipped: Skipped
    ) -> _Level:
        """A directory with what is to be visited in it."""
        try:
            names, odd = _names(fd, skipped)
        except BaseException:
            os.close(fd)
            raise
        if not self.ignored and ".gitignore" in names:
            rules = rules.beneath(prefix.rstrip("/"), fd)
        if after:
            del names[: bisect_left(names, after[0])]
        if not self.hidden:  # they lie side by side: the letter after the dot is the slash, which no name holds
            del names[bisect_left(names, ".") : bisect_left(names, "/")]
        entered = odd and (depth > 1 or self.depth >= DEEPEST)
        stops = [place for place, name in enumerate(names) if _is_entered(name, odd)] if entered else []
        stops.reverse()
        return _Level(fd, prefix, names, odd, stops, rules, depth, after)

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


def _names(fd: int, skipped: Skipped) -> tuple[list[str], dict[str, Kind]]:
    """The names in a directory, in order, and what those are that are no files."""
    with translated("this folder"), os.scandir(fd) as found:
        some = list(itertools.islice(found, CROWDED))
        odd: dict[str, Kind] = {each.name: _kind(each) for each in some if not each.is_file(follow_symlinks=False)}
        if next(found, None) is not None:
            skipped.crowded += 1
    return sorted([each.name for each in some]), odd


def _is_entered(name: str, odd: Mapping[str, Kind]) -> bool:
    return name in odd and odd[name] == "dir" and name not in NEVER_ENTERED


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    return "link" if entry.is_symlink() else "other"
