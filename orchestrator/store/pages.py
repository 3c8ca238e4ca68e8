"""The records in a SQLite file, page by page, without trust in anything but the page itself.

A database whose tree is broken still holds whole pages. Each page of a b-tree says how many cells it has and where, and
each cell holds a record or its beginning (https://sqlite.org/fileformat2.html, sections 1.3, 1.5, 1.6, 2.1 and 4.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"SQLite format 3\0"
USUAL_SIZE = 4096
INTERIOR_INDEX, LEAF_INDEX, LEAF_TABLE = 2, 10, 13
LOG_HEADER, FRAME = 32, 24
"""Bytes of the write-ahead log's header, and of the one before each of its pages."""
LOG_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")

Value = None | int | float | str | bytes
Record = tuple[Value, ...]


class Broken(ValueError):
    """What stands there is no record."""


class Pages:
    """The pages of the database at `path`, as they are after its write-ahead log. Counts records it could not read.

    What stands in the log behind a damaged frame is not believed over the database, but read after it.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        header = self._file.read(100)
        told = int.from_bytes(header[16:18], "big")
        size = 65_536 if told == 1 else told
        good = header[:16] == MAGIC and size >= 512 and size & (size - 1) == 0
        self.size = size if good else USUAL_SIZE
        self.usable = self.size - (header[20] if good else 0)
        self.count = max(1, path.stat().st_size // self.size)
        self.unreadable = 0
        self._log, self._behind = log_of(Path(f"{path}-wal"), self.size)
        self.count = max(self.count, *self._log, 0)
        self._free = frozenset(self._free_pages(int.from_bytes(header[32:36], "big"))) if good else frozenset[int]()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def page(self, number: int) -> bytes:
        """Return a page; pages count from 1. Raises `Broken` if there is none."""
        if number in self._log:
            return self._log[number]
        if not 1 <= number <= self.count:
            raise Broken(f"no page {number}")
        self._file.seek((number - 1) * self.size)
        return self._file.read(self.size).ljust(self.size, b"\0")

    def records(self) -> Iterator[Record]:
        """Return every record of every page that looks like one of a b-tree; pages that are free do not count."""
        for number in range(1, self.count + 1):
            if number not in self._free:
                yield from self._records_of(number, self.page(number))
        self._log |= dict(self._behind)  # where these overflow into
        for number, page in self._behind:
            yield from self._records_of(number, page)

    def _records_of(self, number: int, page: bytes) -> Iterator[Record]:
        start = 100 if number == 1 else 0
        kind = page[start]
        if kind not in (INTERIOR_INDEX, LEAF_INDEX, LEAF_TABLE):
            return
        first = start + (12 if kind == INTERIOR_INDEX else 8)
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        if first + 2 * cells > self.size:
            return
        for place in range(first, first + 2 * cells, 2):
            try:
                yield self._record(page, int.from_bytes(page[place : place + 2], "big"), kind)
            except (Broken, IndexError, UnicodeDecodeError, struct.error):
                self.unreadable += 1

    def _record(self, page: bytes, at: int, kind: int) -> Record:
        if kind == INTERIOR_INDEX:
            at += 4  # the page to its left
        length, at = varint(page, at)
        if length > self.count * self.size:
            raise Broken("too long")
        if kind == LEAF_TABLE:
            _, at = varint(page, at)  # the rowid
        return values(self._payload(page, at, length, kind))

    def _payload(self, page: bytes, at: int, length: int, kind: int) -> bytes:
        """Return a cell's content, gathered from the pages into which it overflows."""
        most = self.usable - 35 if kind == LEAF_TABLE else (self.usable - 12) * 64 // 255 - 23
        if length <= most:
            if at + length > self.size:
                raise Broken("runs over the page's end")
            return page[at : at + length]
        least = (self.usable - 12) * 32 // 255 - 23
        here = least + (length - least) % (self.usable - 4)
        here = here if here <= most else least
        parts, next_page = [page[at : at + here]], int.from_bytes(page[at + here : at + here + 4], "big")
        missing = length - here
        while missing > 0:
            more = self.page(next_page)
            parts.append(more[4 : 4 + min(missing, self.usable - 4)])
            next_page, missing = int.from_bytes(more[:4], "big"), missing - (self.usable - 4)
        return b"".join(parts)

    def _free_pages(self, trunk: int) -> Iterator[int]:
        """Return the pages that hold nothing any more, as far as their list can be followed."""
        seen: set[int] = set()
        while trunk and trunk not in seen and trunk <= self.count:
            seen.add(trunk)
            page = self.page(trunk)
            leaves = int.from_bytes(page[4:8], "big")
            if leaves > self.size // 4 - 2:
                return
            yield trunk
            yield from struct.unpack(f">{leaves}I", page[8 : 8 + 4 * leaves])
            trunk = int.from_bytes(page[:4], "big")


def log_of(path: Path, size: int) -> tuple[dict[int, bytes], list[tuple[int, bytes]]]:
    """Return the pages that were committed to the write-ahead log and are not in the database yet.

    The first are those that SQLite believes as well; the second were committed behind a frame whose sum is wrong.
    """
    raw = path.read_bytes() if path.exists() else b""
    believed, behind = dict[int, bytes](), list[tuple[int, bytes]]()
    waiting: list[tuple[int, bytes]] = []
    order = ">" if int.from_bytes(raw[:4], "big") & 1 else "<"
    salt, total = raw[16:24], summed(order, raw[:24], (0, 0))
    whole = raw[:4] in LOG_MAGIC and raw[24:32] == struct.pack(">II", *total)
    if not whole:
        salt = raw[LOG_HEADER + 8 : LOG_HEADER + 16]
    for at in range(LOG_HEADER, len(raw) - FRAME - size + 1, FRAME + size):
        if raw[at + 8 : at + 16] != salt:
            break  # left over from an earlier round
        number, commits = struct.unpack(">II", raw[at : at + 8])
        page = raw[at + FRAME : at + FRAME + size]
        if whole:
            total = summed(order, page, summed(order, raw[at : at + 8], total))
            whole = raw[at + 16 : at + FRAME] == struct.pack(">II", *total)
        waiting.append((number, page))
        if commits and whole:
            believed.update(waiting)
        elif commits:
            behind += waiting
        waiting = [] if commits else waiting
    return believed, behind


def summed(order: str, data: bytes, total: tuple[int, int]) -> tuple[int, int]:
    """Return the log's running sum after `data` (https://sqlite.org/fileformat2.html, section 4.2)."""
    one, two = total
    words = struct.unpack(f"{order}{len(data) // 4}I", data[: len(data) // 4 * 4])
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return one, two


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins there, and where it ends."""
    number = 0
    for _ in range(8):
        byte = raw[at]
        at += 1
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at
    return number << 8 | raw[at], at + 1


def values(payload: bytes) -> Record:
    """Return the values of a record. Raises `Broken` and others if it is none."""
    end, at = varint(payload, 0)
    kinds: list[int] = []
    while at < end:
        kind, at = varint(payload, at)
        kinds.append(kind)
    found: list[Value] = []
    for kind in kinds:
        size = width(kind)
        if at + size > len(payload):
            raise Broken("runs over the record's end")
        found.append(value(kind, payload[at : at + size]))
        at += size
    return tuple(found)


def width(kind: int) -> int:
    """Return how many bytes a value of this kind has."""
    if kind >= 12:
        return (kind - 12) // 2
    if kind in (10, 11):
        raise Broken("a kind that is reserved")
    return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]


def value(kind: int, raw: bytes) -> Value:
    """Return a value of a record."""
    if kind >= 12:
        return raw.decode() if kind % 2 else raw
    if kind == 7:
        return float(struct.unpack(">d", raw)[0])
    return None if kind == 0 else kind - 8 if kind >= 8 else int.from_bytes(raw, "big", signed=True)
