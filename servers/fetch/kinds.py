"""What a body is: a few kinds of text that can be read here, told by the Content-Type or by the first bytes."""

from __future__ import annotations

import re
from enum import StrEnum

SNIFFED = 1_024
TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,80}")
PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class Kind(StrEnum):
    """How a body is read."""

    HTML = "html"
    JSON = "json"
    XML = "xml"
    TEXT = "text"
    PDF = "pdf"
    WORD = "word"
    SHEET = "sheet"

    @property
    def document(self) -> bool:
        """Whether it is a file of pages or sheets rather than text on the wire."""
        return self in (Kind.PDF, Kind.WORD, Kind.SHEET)


BY_TYPE = {
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "application/json": Kind.JSON,
    "application/ld+json": Kind.JSON,
    "text/json": Kind.JSON,
    "text/xml": Kind.XML,
    "application/xml": Kind.XML,
    "application/javascript": Kind.TEXT,
    "application/x-ndjson": Kind.TEXT,
    "application/yaml": Kind.TEXT,
    "application/x-yaml": Kind.TEXT,
    "application/toml": Kind.TEXT,
    "application/sql": Kind.TEXT,
    "application/pdf": Kind.PDF,
    "application/x-pdf": Kind.PDF,
    WORD: Kind.WORD,
    SHEET: Kind.SHEET,
}
VAGUE = ("", "application/octet-stream", "binary/octet-stream", "application/x-download", "unknown/unknown")


def kind_of(content_type: str, start: bytes, path: str = "") -> Kind | None:
    """Return how to read a body of this Content-Type that starts with these bytes; None if it is not readable here.

    `path` of the URL decides between office files when the type says nothing.
    """
    media = media_type(content_type)
    if media in BY_TYPE:
        return BY_TYPE[media]
    if media.endswith("+json"):
        return Kind.JSON
    if media.endswith("+xml") and not media.startswith("image/"):
        return Kind.XML
    if media.startswith("text/"):
        return Kind.TEXT
    return sniffed(start[:SNIFFED], path) if media in VAGUE else None


def sniffed(start: bytes, path: str) -> Kind | None:
    """Return what the first bytes look like (after the WHATWG MIME Sniffing Standard, much shortened)."""
    head = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"%pdf-"):
        return Kind.PDF
    if start.startswith(b"PK\x03\x04"):
        return Kind.WORD if path.endswith(".docx") else Kind.SHEET if path.endswith(".xlsx") else None
    if head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")):
        return Kind.HTML
    if head.startswith(b"<?xml"):
        return Kind.XML
    binary = start.translate(None, bytes(range(32, 256)) + b"\t\n\r\x0c\x1b")
    return None if binary and not start.startswith((b"\xff\xfe", b"\xfe\xff")) else Kind.TEXT


def media_type(content_type: str) -> str:
    """Return `type/subtype` in lower case, without parameters; empty if it is none (RFC 9110, 8.3.1)."""
    media = content_type.split(";", 1)[0].split(",", 1)[0].strip().lower()
    return media if TYPE.fullmatch(media) else ""


def charset_of(content_type: str) -> str | None:
    """Return the charset parameter of a Content-Type."""
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return value.strip().strip("\"'") or None
    return None
