"""Answers that are small on the wire and huge behind it, or that never end."""

from __future__ import annotations

import asyncio
import gzip
import io
import zipfile
import zlib
from collections.abc import AsyncIterator, Mapping

from servers.fetch.kinds import SHEET, WORD
from tests.servers.fetch.site import Wild, answer

MEGABYTE = 1_000_000


def gzipped(size: int, pattern: bytes = b"<p>bomb") -> bytes:
    """Return `size` bytes of a pattern, compressed without ever being in memory."""
    packer = zlib.compressobj(9, wbits=31)
    block = pattern * (MEGABYTE // len(pattern))
    packed = b"".join(packer.compress(block) for _ in range(size // len(block)))
    return packed + packer.flush()


def gzip_bomb(encoding: str = "gzip", content_type: str = "text/html", pattern: bytes = b"<p>bomb") -> bytes:
    """Return an answer of 300 KB that unpacks to 300 MB."""
    return answer(gzipped(300 * MEGABYTE, pattern), content_type, Content_Encoding=encoding)


def endless(block: bytes, content_type: str = "text/html", pause: float = 0) -> Wild:
    """Return a page that sends chunks for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        async for chunk in for_ever(block, pause):
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            await writer.drain()

    return write


def raw(data: bytes, *, stay: bool = False) -> Wild:
    """Return a page that sends exactly these bytes, and then hangs up or says nothing more."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if stay:
            await asyncio.Event().wait()

    return write


def dripping(head: bytes, block: bytes, pause: float = 0.05) -> Wild:
    """Return a page that sends some bytes and then a few more, slowly, for ever."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        async for chunk in for_ever(block, pause):
            writer.write(chunk)
            await writer.drain()

    return write


async def for_ever(block: bytes, pause: float) -> AsyncIterator[bytes]:
    """Yield a block again and again."""
    while True:
        yield block
        await asyncio.sleep(pause)


def package(parts: Mapping[str, bytes]) -> bytes:
    """Return a zip file of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as writing:
        for name, content in parts.items():
            writing.writestr(name, content)
    return file.getvalue()


def word(document: bytes) -> bytes:
    """Return a docx whose document is this XML."""
    return answer(package({"[Content_Types].xml": b"<Types/>", "word/document.xml": document}), WORD)


def sheet(parts: Mapping[str, bytes]) -> bytes:
    """Return an xlsx of these parts."""
    return answer(package(parts), SHEET)


ENTITIES = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
LAUGHS = b'<!DOCTYPE d [<!ENTITY l0 "ha">' + ENTITIES + b"]><d>&l9;</d>"
OUTSIDE = b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>'

MARKUP = {
    "deep": b"<div>" * 200_000,
    "deep formatting": b"<b>" * 300_000 + b"x",
    "deep lists": b"<ul><li>" * 120_000,
    "deep tables": b"<table><tr><td>" * 66_000,
    "adoption agency": b"<a><b><i><u>" * 20 + b"<p>" * 330_000,
    "attributes": b"<p " + b"".join(b"a%d " % number for number in range(120_000)) + b">x",
    "paragraphs": b"<p>" * 1_600_000,
    "hidden in hidden": b"<i hidden>" * 100_000 + b"x",
    "metas": b'<meta property="og:x" content="y">' * 100_000,
    "links": b"<a href=x>y</a>" * 300_000,
    "wide table": b"<table><tr>" + b"<td>x" * 800_000,
    "entities": b"&amp" * 1_200_000,
    "angles": b"<" * 4_900_000,
    "brackets": b"[](((((![" * 500_000,
    "comments": b"<!--" * 1_200_000,
    "styles": b'<p style="' + b"left:-" * 800_000 + b'">x',
    "json-ld": b'<script type="application/ld+json">' + b"[" * 2_000_000,
    "astral": b"x" * 4_900_000 + "😀".encode(),
    "templates": b"<template>" * 100_000,
    "svg": b"<svg>" * 200_000,
}


def html(markup: bytes) -> bytes:
    """Return an HTML page, compressed as a bomber would."""
    return answer(gzip.compress(markup, 1), "text/html", Content_Encoding="gzip")
