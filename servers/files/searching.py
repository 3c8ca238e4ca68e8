"""Find text in files, or files by name, in pages that together are the same as one big search."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from servers.files.charsets import UTF8, detected, looks_binary, marked
from servers.files.errors import Invalid, OutOfTime
from servers.files.folder import Folder
from servers.files.globs import Glob, Pattern, compiled, encodable, literal
from servers.files.listing import beneath
from servers.files.opening import CAREFUL, NO_FOLLOW
from servers.files.patience import Patience
from servers.files.walking import Found, Skipped, Walk

LARGEST = 10 * 1024 * 1024
"""Bytes of a file that is searched."""
WIDEST = 400
"""Characters of a line that are shown."""
MOST_BYTES = 256 * 1024
"""Of the lines of one page."""

Position = tuple[str, int]
"""Where a search stands: a path, and the line of the last match in it; -1 when the file is done."""


@dataclass(frozen=True)
class Search:
    """What to look for, and where."""

    folder: Folder
    query: str
    path: str = ""
    names: bool = False
    """Look at the names, not into the files."""
    regex: bool = False
    case: Literal["smart", "sensitive", "insensitive"] = "smart"
    glob: str | None = None
    context: int = 0
    hidden: bool = False
    ignored: bool = False
    limit: int = 100
    after: Position | None = None
    """Where the page before ended."""


@dataclass(frozen=True)
class Match:
    """One line, or one name."""

    path: str
    line: int = -1
    """Counted from 1; -1 for a name."""
    text: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass
class Tally:
    """What a search passed over and how far it came; the search writes, its owner reads."""

    scanned: int = 0
    binary: int = 0
    large: int = 0
    protected: int = 0
    walk: Skipped = field(default_factory=Skipped)
    reached: Position | None = None


@dataclass(frozen=True)
class Page:
    """The matches of one page."""

    matches: tuple[Match, ...]
    tally: Tally
    truncated: Literal["rows", "bytes", "time"] | None
    after: Position | None
    """Where the next page starts; None at the end."""


def search(what: Search, patience: Patience, tally: Tally | None = None) -> Page:
    """Return a page of matches. Raises `FilesError` for a pattern that is none and a folder that is not there.

    `tally` goes on counting where the folder before left off.
    """
    tally, matches, used = tally or Tally(), list[Match](), 0
    tally.reached = None
    try:
        for match in _matches(what, tally, patience):
            used += len(match.text) + sum(map(len, match.before)) + sum(map(len, match.after))
            if len(matches) == what.limit or (matches and used > MOST_BYTES):
                last = matches[-1]
                return Page(tuple(matches), tally, "rows" if used <= MOST_BYTES else "bytes", (last.path, last.line))
            matches.append(match)
            tally.reached = match.path, match.line
    except OutOfTime:
        if patience.given_up.is_set() or tally.reached is None:
            raise
        return Page(tuple(matches), tally, "time", tally.reached)
    return Page(tuple(matches), tally, None, None)


def _matches(what: Search, tally: Tally, patience: Patience) -> Iterator[Match]:
    if not what.query and not what.names:
        raise Invalid("there is nothing to search for", "Give a query.")
    sensitive = what.case == "sensitive" or (what.case == "smart" and what.query != what.query.lower())
    glob = Glob(what.glob) if what.glob else None
    if what.names:
        yield from _names(what, glob, sensitive, tally, patience)
        return
    pattern = (compiled if what.regex else literal)(what.query, ignore_case=not sensitive)
    needle = _Needle(encodable(what.query), sensitive) if not what.regex and what.query.isascii() else None
    for found, last in _files(what, glob, tally, patience):
        raw = _content(found, tally)
        if raw is not None:
            tally.scanned += 1
            if needle is None or needle.may_be_in(raw):
                yield from _lines(found.path, raw, what, pattern, last, patience)
        tally.reached = found.path, -1


@dataclass(frozen=True)
class _Needle:
    """A plain text of ASCII: most files are told not to hold it without a pattern."""

    text: bytes
    sensitive: bool

    def may_be_in(self, raw: bytes) -> bool:
        if self.sensitive:
            return self.text in raw or marked(raw) is not None
        return self.text.lower() in raw.lower() or marked(raw) is not None


def _names(what: Search, glob: Glob | None, sensitive: bool, tally: Tally, patience: Patience) -> Iterator[Match]:
    shape = Glob(what.query) if not what.regex and any(letter in what.query for letter in "*?[") else None
    pattern = None if shape else (compiled if what.regex else literal)(what.query, ignore_case=not sensitive)
    last, before = "", tally.scanned
    try:
        for prefix, names, _, _ in _walk(what).stretches(patience, tally.walk):
            seen = beneath(prefix, what.path)
            fitting = shape.among(names, seen) if shape else [name for name in names if _holds(pattern, seen + name)]
            for name in glob.among(fitting, seen) if glob else fitting:
                last, tally.scanned = prefix + name, before + names.index(name) + 1
                yield Match(last, -1)
            before += len(names)
            last, tally.scanned = prefix + names[-1], before
    finally:
        if last:
            tally.reached = last, -1


def _holds(pattern: Pattern | None, path: str) -> bool:
    return pattern is not None and pattern.search(path.encode(errors="replace")) is not None


def _walk(what: Search) -> Walk:
    path, line = what.after or ("", -1)
    return Walk(what.folder, what.path, hidden=what.hidden, ignored=what.ignored, after=path, inclusive=line > 0)


def _files(what: Search, glob: Glob | None, tally: Tally, patience: Patience) -> Iterator[tuple[Found, int]]:
    """The files to look into, and in each the line after which matches count."""
    closed = what.folder.rules.closed_to_reading
    in_git = ".git" in what.path.lower()  # elsewhere the folders above were looked at when they were entered
    for found in _walk(what).run(patience, tally.walk):
        if found.kind != "file" or (glob is not None and not glob.matches(beneath(found.path, what.path))):
            continue
        if closed(found.path if in_git else found.name):
            tally.protected += 1
            continue
        resumed = what.after is not None and found.path == what.after[0]
        yield found, what.after[1] if what.after and resumed else 0


def _content(found: Found, tally: Tally) -> bytes | None:
    """All bytes of a text file, or None for what is not searched."""
    try:
        fd = os.open(found.name, os.O_RDONLY | NO_FOLLOW | CAREFUL, dir_fd=found.parent)
    except OSError:
        tally.walk.unreadable += 1
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > LARGEST:
            tally.large += 1
            return None
        raw = os.read(fd, status.st_size) if status.st_size else b""
    except OSError:
        tally.walk.unreadable += 1
        return None
    finally:
        os.close(fd)
    if looks_binary(raw[:8192]):
        tally.binary += 1
        return None
    return raw


def _readable(raw: bytes, query: str) -> bytes:
    """The bytes to search: the text in UTF-8 where the file is in a charset that makes a difference.

    A plain query is found in any charset that keeps ASCII, so nothing is decoded for it.
    """
    charset = marked(raw)
    if charset is None and query.isascii():
        return raw
    charset = charset or detected(raw, whole=True)
    return raw if charset == UTF8 else charset.decoded(raw, whole=True)[0].encode(errors="replace")


def _lines(path: str, raw: bytes, what: Search, pattern: Pattern, last: int, patience: Patience) -> Iterator[Match]:
    """The matching lines of a file after line `last`."""
    raw = _readable(raw, what.query)
    at, number, counted = 0, 1, 0
    while at <= len(raw) and (match := pattern.search(raw, at)):
        patience.check()
        place: int = match.start()
        number += raw.count(b"\n", counted, place)
        counted = place
        end = raw.find(b"\n", place)
        end = len(raw) if end < 0 else end
        if place == len(raw) and (not raw or raw.endswith(b"\n")):
            return  # an empty match after the last line
        if number > last:
            start = raw.rfind(b"\n", 0, place) + 1
            before, after = _around(raw, start, end, what.context)
            yield Match(path, number, _shown(raw, start, end, place), before, after)
        at = end + 1


def _shown(raw: bytes, start: int, end: int, place: int) -> str:
    """The line, cut around the match where it is long."""
    if end - start > WIDEST:
        start = _whole_letter(raw, max(start, place - WIDEST // 4))
        end = _whole_letter(raw, min(end, start + 4 * WIDEST))
    line = raw[start:end].rstrip(b"\r")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        text = line.decode("cp1252", "replace")
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _whole_letter(raw: bytes, at: int) -> int:
    while 0 < at < len(raw) and raw[at] & 0xC0 == 0x80:
        at -= 1
    return at


def _around(raw: bytes, start: int, end: int, context: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lines before and after."""
    if not context:
        return (), ()
    before: list[str] = []
    after: list[str] = []
    while start > 0 and len(before) < context:
        above = raw.rfind(b"\n", 0, start - 1) + 1
        before.append(_shown(raw, above, start - 1, above))
        start = above
    while end + 1 < len(raw) and len(after) < context:
        below = raw.find(b"\n", end + 1)
        below = len(raw) if below < 0 else below
        after.append(_shown(raw, end + 1, below, end + 1))
        end = below
    return tuple(before[::-1]), tuple(after)
