"""The content blocks that `fs_read` answers with: text under a header line, images, sounds, bytes, links."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from typing import Any, Literal

from mcp.types import AudioContent, ImageContent, ResourceLink, TextContent

from servers.cleaning import clean
from servers.files.errors import Invalid, TooLarge
from servers.files.folder import Opened
from servers.files.media import LARGEST, mime_of, sniffed
from servers.files.patience import Patience
from servers.files.pdfs import text_of as pdf_text_of
from servers.files.protocol.resources import uri_of
from servers.files.reading import TextPage, Wanted, is_binary, page, page_at_once, page_of_text, whole
from servers.files.served import Place, Served

As = Literal["auto", "text", "image", "audio", "base64", "pdf"]
Block = TextContent | ImageContent | AudioContent | ResourceLink
PDF = "application/pdf"
HASH_SHOWN = 16
"""Hex digits of a hash in a header line; as many are enough for `if_sha256`."""


@dataclass(frozen=True)
class Reading:
    """What a file gave: content blocks, and the facts about them for programs."""

    blocks: list[Block]
    facts: dict[str, Any]


def read_place(served: Served, place: Place, how: As, wanted: Wanted, numbers: bool, patience: Patience) -> Reading:
    """Return what is wanted of one file. Raises `FilesError`."""
    with place.folder.file(place.path) as opened:
        path = served.shown(place.folder, place.path)
        start = os.pread(opened.fd, 16, 0)
        proven = sniffed(start) or ""
        if how == "base64":
            return _bytes(path, opened, wanted)
        if how in ("image", "audio") and not proven.startswith(how):
            raise Invalid(f"the file holds no {how} that is known", 'Read it with as="auto".')
        if how == "pdf" and proven != PDF:
            raise Invalid("the file is no PDF", 'Read it with as="auto".')
        if how in ("pdf", "auto") and proven == PDF:
            return _text(path, page_of_text(pdf_text_of(opened), wanted, patience), numbers)
        if how != "text" and proven.startswith(("image/", "audio/")):
            return _medium(path, place, opened, proven, asked=how != "auto", patience=patience)
        if how == "auto" and is_binary(opened):
            mime = mime_of(place.path, start, binary=True)
            header = f"[{path} · {mime} · {opened.status.st_size} bytes · not text: as=base64 gives its bytes]"
            return Reading([TextContent(text=header), _link(path, place, opened, mime)], {"path": path, "mime": mime})
        return _text(path, page(opened, wanted, patience), numbers)


def read_at_once(served: Served, place: Place, how: As, wanted: Wanted, numbers: bool) -> Reading | None:
    """Return a small text of a local disk that is in memory already, or None: then `read_place` takes a thread.

    A thread costs as much as all the rest of such a call. Raises `FilesError`.
    """
    if not place.folder.local or how not in ("auto", "text"):
        return None
    with place.folder.file(place.path) as opened:
        read = page_at_once(opened, wanted, Patience.of())
        return _text(served.shown(place.folder, place.path), read, numbers) if read is not None else None


def _text(path: str, read: TextPage, numbers: bool) -> Reading:
    cleaned = clean(read.text.replace("\r\n", "\n") if "\r" in read.text else read.text)
    text = cleaned.text
    if numbers and read.first_line is not None:
        lines = text.split("\n")
        last = lines.pop() if lines and not lines[-1] else None
        text = "\n".join(f"{read.first_line + at}\t{line}" for at, line in enumerate(lines))
        text += "" if last is None else "\n"
    facts = _facts(path, read, cleaned.removed.total)
    return Reading([TextContent(text=f"{_header(path, read, cleaned.removed.total)}\n{text}")], facts)


def _facts(path: str, read: TextPage, removed: int) -> dict[str, Any]:
    return {
        "path": path,
        "start": read.start,
        "end": read.end,
        "size": read.size,
        "first_line": read.first_line,
        "lines": read.lines,
        "total_lines": read.total_lines,
        "sha256": read.sha256,
        "charset": read.charset.shown,
        "line_end": read.line_end,
        "truncated": read.truncated,
        "next": _next(read),
        "removed": removed,
    }


def _next(read: TextPage) -> dict[str, int] | None:
    if read.truncated is None:
        return None
    return {"start_line": read.next_line} if read.next_line else {"offset": read.end}


def _header(path: str, read: TextPage, removed: int) -> str:
    if read.first_line is not None and read.lines:
        total = f" of {read.total_lines}" if read.total_lines is not None else ""
        parts = [path, f"lines {read.first_line}-{read.first_line + read.lines - 1}{total}"]
    else:
        parts = [path, f"bytes {read.start}-{read.end} of {read.size}"]
    parts += [read.charset.shown, read.line_end]
    if read.sha256:
        parts.append(f"sha256 {read.sha256[:HASH_SHOWN]}")
    if read.truncated is None and read.size and not read.text.endswith("\n"):
        parts.append("no line end at the end")
    if removed:
        parts.append(f"{removed} hidden characters taken out")
    if following := _next(read):
        parts.append("truncated, next: " + " ".join(f"{name}={value}" for name, value in following.items()))
    return f"[{' · '.join(parts)}]"


def _bytes(path: str, opened: Opened, wanted: Wanted) -> Reading:
    size, start = opened.status.st_size, wanted.offset or 0
    if start > size:
        raise Invalid(f"the file ends at byte {size}", "Use an offset that fs_read returned.")
    raw = os.pread(opened.fd, wanted.max_bytes, start)
    end = start + len(raw)
    more = f" · truncated, next: offset={end}" if end < size and raw else ""
    header = f"[{path} · bytes {start}-{end} of {size} · base64{more}]"
    facts = {"path": path, "start": start, "end": end, "size": size, "next": {"offset": end} if more else None}
    return Reading([TextContent(text=f"{header}\n{base64.b64encode(raw).decode()}")], facts)


def _medium(path: str, place: Place, opened: Opened, mime: str, *, asked: bool, patience: Patience) -> Reading:
    size = opened.status.st_size
    header = f"[{path} · {mime} · {size} bytes]"
    if size > LARGEST:
        if asked:
            raise TooLarge(
                f"too large: {size} > {LARGEST} bytes", f"It is the resource {uri_of(place.folder, place.path)}."
            )
        return Reading([TextContent(text=header), _link(path, place, opened, mime)], {"path": path, "mime": mime})
    data = base64.b64encode(whole(opened, LARGEST, patience)).decode()
    kind = ImageContent if mime.startswith("image/") else AudioContent
    return Reading([TextContent(text=header), kind(data=data, mime_type=mime)], {"path": path, "mime": mime})


def _link(path: str, place: Place, opened: Opened, mime: str) -> ResourceLink:
    name = path.rpartition("/")[2]
    return ResourceLink(uri=uri_of(place.folder, place.path), name=name, mime_type=mime, size=opened.status.st_size)
