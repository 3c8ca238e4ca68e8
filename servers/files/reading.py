"""The text of a file in pages, none of which needs the whole file in memory."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Literal

from servers.files.charsets import UTF8, Charset, LineEnd, detected, line_end, looks_binary, named
from servers.files.errors import Invalid, TooLarge
from servers.files.folder import Opened
from servers.files.media import sniffed
from servers.files.patience import Patience
from servers.room import room_for_answer

WHOLE = 1024 * 1024
"""Bytes up to which a file is read whole: then the page knows the number of lines and the hash."""
WIDE_MOST = 8 * 1024 * 1024
"""Bytes of a UTF-16 or UTF-32 file, which has to be decoded from its start."""
MOST_TEXT = 1024 * 1024
"""Bytes of a text that is given whole."""
SAMPLE = 64 * 1024
STEP = 1024 * 1024


@dataclass(frozen=True)
class Wanted:
    """Which part of a text to read; `offset` wins over `tail`, `tail` over `start_line`."""

    start_line: int = 1
    max_lines: int = 400
    max_bytes: int = SAMPLE
    tail: int | None = None
    """The last so many lines."""
    offset: int | None = None
    """The byte where the page before ended."""
    encoding: str | None = None


@dataclass(frozen=True)
class TextPage:
    """A part of a text, whole lines wherever a line fits."""

    text: str
    """Line ends as in the file."""
    start: int
    """The byte of the file where it begins."""
    end: int
    """The byte where it ends, and where the next page begins."""
    size: int
    charset: Charset
    line_end: LineEnd
    first_line: int | None
    """Counted from 1; None when nobody counted."""
    lines: int
    """Lines of this page; a torn line counts."""
    total_lines: int | None
    sha256: str | None
    """Of the whole file, when it was read whole."""
    truncated: Literal["rows", "bytes"] | None
    ends_in_line: bool
    """Whether the page ends inside a line."""

    @property
    def next_line(self) -> int | None:
        """The line that the next page starts with, when that is known and the page did not tear a line."""
        if self.truncated is None or self.first_line is None or self.ends_in_line:
            return None
        return self.first_line + self.lines


@dataclass(frozen=True)
class Source:
    """The bytes that are paged: of the file, or of its text in UTF-8 when it is in a wide charset."""

    fd: int
    size: int
    whole: bytes | None
    charset: Charset
    sha256: str | None

    def at(self, start: int, length: int) -> bytes:
        """Return up to `length` bytes from `start`."""
        return self.whole[start : start + length] if self.whole is not None else os.pread(self.fd, length, start)


def is_binary(opened: Opened) -> bool:
    """Say whether a file holds no text."""
    return looks_binary(os.pread(opened.fd, 8192, 0))


def page(opened: Opened, wanted: Wanted, patience: Patience) -> TextPage:
    """Return the part of a text file that is `wanted`.

    Raises `Invalid` when it starts after the end, `TooLarge` for a huge UTF-16 file, `OutOfTime` for a far line.
    """
    return _page(_source(opened, wanted.encoding, patience), wanted, patience)


def page_at_once(opened: Opened, wanted: Wanted, patience: Patience) -> TextPage | None:
    """Return the page of a small text that is in memory already, or None: then it takes a thread.

    Nothing here waits: the kernel is told not to fetch from the disk, and no charset is guessed.
    """
    size = opened.status.st_size
    if size > SAMPLE or wanted.encoding or not hasattr(os, "RWF_NOWAIT"):
        return None
    room = bytearray(size + 1)
    try:
        got = os.preadv(opened.fd, [room], 0, os.RWF_NOWAIT)
    except OSError:
        return None
    raw = bytes(room[:got])
    if got != size or not raw.isascii() or b"\0" in raw or sniffed(raw[:16]) is not None:
        return None
    return _page(Source(-1, size, raw, UTF8, _hash(raw)), wanted, patience)


def page_of_text(text: str, wanted: Wanted, patience: Patience) -> TextPage:
    """Return the part that is `wanted` of a text that was made of a file; its bytes are those of UTF-8."""
    raw = text.encode(errors="replace")
    return _page(Source(-1, len(raw), raw, UTF8, None), wanted, patience)


def _page(source: Source, wanted: Wanted, patience: Patience) -> TextPage:
    start, first_line = _start(source, wanted, patience)
    raw, feeds, truncated, torn = _cut(source, start, wanted)
    text, rest = source.charset.decoded(raw, whole=truncated is None or not torn)
    if rest and rest < len(raw):
        raw = raw[:-rest]
    elif rest:  # the page is smaller than one character: show it as it is
        text, _ = source.charset.decoded(raw, whole=True)
    lines = feeds + (bool(raw) and not raw.endswith(b"\n"))
    if source.whole is None or raw is source.whole:
        total, ends = None if source.whole is None else lines, line_end(raw, feeds)
    else:
        total, ends = _lines(source.whole), line_end(source.whole)
    end = start + len(raw)
    return TextPage(
        text,
        start,
        end,
        source.size,
        source.charset,
        ends,
        first_line,
        lines,
        total,
        source.sha256,
        truncated,
        torn,
    )


def _source(opened: Opened, encoding: str | None, patience: Patience) -> Source:
    size = opened.status.st_size
    asked = named(encoding) if encoding else None
    if size > WHOLE or not size:  # an empty file may be one of /proc's kind, whose size says nothing: it stays empty
        sample = os.pread(opened.fd, SAMPLE, 0)
        charset = asked or detected(sample, whole=len(sample) == size)
        if not charset.wide:
            return Source(opened.fd, size, b"" if not size else None, charset, _hash(b"") if not size else None)
        if size > WIDE_MOST:
            raise TooLarge(
                f"a {charset.name} file of {size} bytes is decoded from its start, which is more than {WIDE_MOST}",
                'Read its bytes with as="base64".',
            )
    raw = whole(opened, WIDE_MOST, patience)
    charset = asked or detected(raw, whole=True)
    if charset.wide:
        text = charset.decoded(raw, whole=True)[0].encode(errors="replace")
        return Source(opened.fd, len(text), text, UTF8, _hash(raw))
    return Source(opened.fd, len(raw), raw, charset, _hash(raw))


def whole(opened: Opened, most: int, patience: Patience) -> bytes:
    """Return all bytes of a file. Raises `TooLarge` when there are more than `most`."""
    room_for_answer(min(opened.status.st_size, most), lambda: patience.over)
    patience.check()
    pieces: list[bytes] = []
    got = 0
    while piece := os.pread(opened.fd, min(STEP, most + 1 - got), got):
        pieces.append(piece)
        got += len(piece)
        if got > most:
            raise TooLarge(f"the file has more than {most} bytes", "Read or change it in parts.")
        patience.check()
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def hash_of(opened: Opened, patience: Patience) -> str:
    """Return the SHA-256 of a file, in hex. Raises `OutOfTime`."""
    digest = hashlib.sha256()
    at = 0
    while piece := os.pread(opened.fd, STEP, at):
        digest.update(piece)
        at += len(piece)
        patience.check()
    return digest.hexdigest()


def text_of(opened: Opened, patience: Patience) -> str:
    """Return the whole text of a file of at most `MOST_TEXT` bytes, with plain line ends. Raises `FilesError`."""
    raw = whole(opened, MOST_TEXT, patience)
    return detected(raw, whole=True).decoded(raw, whole=True)[0].replace("\r\n", "\n")


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _lines(raw: bytes) -> int:
    return raw.count(b"\n") + (bool(raw) and not raw.endswith(b"\n"))


def _start(source: Source, wanted: Wanted, patience: Patience) -> tuple[int, int | None]:
    """Where the page begins: the byte, and the line if it is known."""
    if wanted.offset is not None:
        if wanted.offset > source.size:
            raise Invalid(f"the text ends at byte {source.size}", "Use an offset that fs_read returned.")
        known = source.whole is not None and (not wanted.offset or source.at(wanted.offset - 1, 1) == b"\n")
        return wanted.offset, source.at(0, wanted.offset).count(b"\n") + 1 if known else None
    if wanted.tail is not None:
        return _tail(source, wanted, patience)
    return _line_start(source, wanted.start_line, patience), wanted.start_line


def _line_start(source: Source, line: int, patience: Patience) -> int:
    at, seen = 0, 1
    while seen < line and (piece := source.at(at, STEP)):
        feeds = piece.count(b"\n")
        if seen + feeds >= line:
            place = -1
            for _ in range(line - seen):
                place = piece.find(b"\n", place + 1)
            at, seen = at + place + 1, line
            break
        at, seen = at + len(piece), seen + feeds
        patience.check()
    if seen < line or (line > 1 and at >= source.size):
        raise Invalid(f"the text has no line {line}, it ends before", "Start earlier, or use tail.")
    return at


def _tail(source: Source, wanted: Wanted, patience: Patience) -> tuple[int, int | None]:
    """The start of the last lines, as many of them as one page may hold."""
    low = max(0, source.size - wanted.max_bytes)
    raw = source.at(low, source.size - low)
    place = len(raw) - raw.endswith(b"\n")
    for _ in range(min(wanted.tail or 1, wanted.max_lines)):
        place = raw.rfind(b"\n", 0, max(place, 0))
        if place < 0:
            break
    start = low + place + 1
    if place < 0 and low:  # more lines than fit: begin with the first whole one
        first = raw.find(b"\n")
        start = low + first + 1 if 0 <= first < len(raw) - 1 else low
    patience.check()
    return start, source.whole.count(b"\n", 0, start) + 1 if source.whole is not None else None


def _cut(source: Source, start: int, wanted: Wanted) -> tuple[bytes, int, Literal["rows", "bytes"] | None, bool]:
    """The bytes of the page, their line feeds, why they are not all, and whether they end inside a line."""
    raw = source.at(start, wanted.max_bytes + 1)
    truncated: Literal["rows", "bytes"] | None = None
    torn = False
    if len(raw) > wanted.max_bytes:
        truncated = "bytes"
        end = raw.rfind(b"\n", 0, wanted.max_bytes) + 1
        torn = end == 0
        raw = raw[: end or wanted.max_bytes]
    feeds = raw.count(b"\n")
    if feeds >= wanted.max_lines:
        end = -1
        for _ in range(wanted.max_lines):
            end = raw.find(b"\n", end + 1)
        if start + end + 1 < source.size:
            truncated, torn = "rows", False
        raw, feeds = raw[: end + 1], wanted.max_lines
    return raw, feeds, truncated, torn
