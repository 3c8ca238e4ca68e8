"""In which characters a file is written, and how its lines end."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Literal

from servers.files.errors import Invalid

LineEnd = Literal["LF", "CRLF", "mixed", "none"]
GUESSED = 16 * 1024
"""Bytes of a file that are guessed from, when they are no UTF-8."""
WIDE = ("utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-7")
"""Charsets in which a byte 10 is not a line end."""


@dataclass(frozen=True)
class Charset:
    """A charset by its Python name, and the mark that the file begins with."""

    name: str
    mark: bytes = b""

    @property
    def wide(self) -> bool:
        """Whether a line end cannot be found by looking for one byte."""
        return self.name in WIDE

    @property
    def shown(self) -> str:
        """The name for the reader."""
        return f"{self.name} with BOM" if self.mark else self.name

    def decoded(self, raw: bytes, *, whole: bool) -> tuple[str, int]:
        """Return the text of `raw` and how many bytes at its end are the start of a torn character.

        With `whole` nothing is torn: what does not decode becomes U+FFFD.
        """
        decoder = codecs.getincrementaldecoder(self.name)("replace")
        text = decoder.decode(raw[len(self.mark) :] if self.begins(raw) else raw, final=whole)
        return text, 0 if whole else len(decoder.getstate()[0])

    def begins(self, raw: bytes) -> bool:
        """Say whether `raw` is the start of a file, with the mark."""
        return bool(self.mark) and raw.startswith(self.mark)

    def encoded(self, text: str, *, start: bool = True) -> bytes:
        """Return `text` as bytes, behind the mark if it is the start of the file. Raises UnicodeEncodeError."""
        return (self.mark if start else b"") + text.encode(self.name)


PIECE = 64 * 1024
_MARKS = (
    Charset("utf-8", codecs.BOM_UTF8),
    Charset("utf-32-le", codecs.BOM_UTF32_LE),  # before UTF-16, whose mark it begins with
    Charset("utf-32-be", codecs.BOM_UTF32_BE),
    Charset("utf-16-le", codecs.BOM_UTF16_LE),
    Charset("utf-16-be", codecs.BOM_UTF16_BE),
)
_FIRST = frozenset(charset.mark[:1] for charset in _MARKS)
UTF8 = Charset("utf-8")


def named(encoding: str) -> Charset:
    """Return the charset that the caller named. Raises `Invalid` when Python has no such text charset."""
    try:
        info = codecs.lookup(encoding)
        if not info._is_text_encoding or len(encoding) > 40:  # pyright: ignore[reportPrivateUsage]  # no other way to ask
            raise LookupError
        b"a".decode(info.name, "replace")
    except (LookupError, ValueError, UnicodeError):
        raise Invalid("there is no such encoding", "Leave `encoding` out, or name one such as latin-1.") from None
    return Charset(info.name)


def looks_binary(sample: bytes) -> bool:
    """Say whether the start of a file is of a file without text."""
    return b"\0" in sample and marked(sample) is None


def marked(sample: bytes) -> Charset | None:
    """Return the charset that a byte order mark announces."""
    if sample[:1] not in _FIRST:  # asked for every file that is searched
        return None
    return next((charset for charset in _MARKS if charset.begins(sample)), None)


def detected(sample: bytes, *, whole: bool) -> Charset:
    """Return the charset of a file that starts with `sample` (all of it if `whole`): its mark, UTF-8, or a guess."""
    if (charset := marked(sample)) is not None:
        return charset
    return UTF8 if sample.isascii() or _is_utf8(sample, whole=whole) else _guessed(sample[:GUESSED])


def _is_utf8(sample: bytes, *, whole: bool) -> bool:
    """Whether it decodes; looked at in pieces, for the text of megabytes takes four times the room."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        for at in range(0, len(sample), PIECE):
            decoder.decode(sample[at : at + PIECE])
        decoder.decode(b"", final=whole)
    except UnicodeDecodeError:
        return False
    return True


def _guessed(sample: bytes) -> Charset:
    from charset_normalizer import from_bytes  # 20 ms, and most files are UTF-8

    best = from_bytes(sample, steps=5, chunk_size=512).best()
    if best is None or best.encoding in WIDE or best.encoding.startswith("utf_"):
        return Charset("cp1252") if _decodes(sample, "cp1252") else Charset("latin-1")
    return named(best.encoding)


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def line_end(text: str | bytes, feeds: int | None = None) -> LineEnd:
    """Return how the lines of `text` end; `feeds` is the number of its line feeds, if that is known."""
    if isinstance(text, bytes):
        feeds, pairs = text.count(b"\n") if feeds is None else feeds, text.count(b"\r\n") if b"\r" in text else 0
    else:
        feeds, pairs = text.count("\n"), text.count("\r\n") if "\r" in text else 0
    if not feeds:
        return "none"
    return "LF" if not pairs else "CRLF" if pairs == feeds else "mixed"
