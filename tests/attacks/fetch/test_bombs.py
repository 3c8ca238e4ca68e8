"""Bodies that swell, never end or lie: cut or refused, in time (W50-W53, X5). Memory is watched in `test_memory`."""

from __future__ import annotations

import gzip
import time

import anyio
import pytest

from servers.fetch.kinds import PDF
from servers.fetch.transfer import Caps
from tests.attacks.fetch.bombs import (
    LAUGHS,
    MARKUP,
    OUTSIDE,
    dripping,
    endless,
    gzip_bomb,
    html,
    package,
    raw,
    sheet,
    word,
)
from tests.attacks.fetch.world import world
from tests.servers.fetch.reading import body, facts, fetch, text
from tests.servers.fetch.site import Wild, answer

pytestmark = pytest.mark.anyio

HURRIED = Caps(seconds=1.5, first_byte=0.8)
PATIENCE = 10  # what never ends would take longer; a busy machine needs some to notice
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"

SILENT: dict[str, Wild] = {
    "W53 a byte now and then": dripping(PLAIN, b"x"),
    "a header now and then": dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "a bit of a header now and then": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"b"),
    "a chunk now and then": dripping(CHUNKED, b"1\r\nx\r\n"),
    "a chunk extension without end": dripping(CHUNKED + b"5;x=", b"y"),
    "no answer": raw(b"", stay=True),
    "half a status line": raw(b"HTTP/1.1 20", stay=True),
    "headers and then nothing": raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Type: text/html\r\n\r\nx", stay=True
    ),
    "interim answers without end": dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n", 0),
}
NOT_HTTP = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/0.9": b"<html>hello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "null in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    "200 KB of headers": b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"a" * 200_000 + b"\r\n\r\n",
    "20,000 headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    "chunk size is no number": CHUNKED + b"zz\r\n",
    "huge chunk size": CHUNKED + b"f" * 40 + b"\r\n",
    "shorter than it says": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99\r\n\r\nx",
    "nothing": b"",
}


@pytest.mark.parametrize("page", SILENT.values(), ids=SILENT.keys())
async def test_a_page_that_never_comes_is_given_up_at_the_deadline(page: Wild) -> None:
    async with world({"/": page, "/robots.txt": answer("")}, caps=HURRIED) as there:
        with anyio.fail_after(HURRIED.seconds + PATIENCE):
            await there.refused(there.evil.url("/"), "timeout")


@pytest.mark.parametrize("data", NOT_HTTP.values(), ids=NOT_HTTP.keys())
async def test_an_answer_that_is_not_http_is_refused_in_words(data: bytes) -> None:
    async with world({"/": raw(data), "/robots.txt": answer("")}) as there:
        await there.refused(there.evil.url("/"), "unavailable")


@pytest.mark.parametrize("content_type", ["text/html", "text/plain", "application/json", "application/pdf", ""])
async def test_a_body_without_end_is_cut_at_the_cap(content_type: str) -> None:  # W52
    async with world({"/": endless(b"line of text\n" * 5_000, content_type)}) as there:
        started = time.monotonic()
        result = await fetch(
            there.client, there.evil.url("/"), format="html" if content_type != "application/pdf" else "text"
        )
        assert time.monotonic() - started < 20
        if content_type == "application/pdf":
            assert "damaged" in text(result)
        else:
            assert facts(result)["truncated"] == "bytes"
            assert facts(result)["total"] <= 4_000_000
            assert "its end is missing" in text(result)


async def test_a_gzip_bomb_is_cut_at_the_cap() -> None:  # W50
    async with world({"/": gzip_bomb()}) as there:
        result = await fetch(there.client, there.evil.url("/"), format="html")
        assert facts(result)["truncated"] == "bytes"
        assert facts(result)["total"] <= 4_000_000


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "gzip,identity", "br", "zstd", "deflate", "compress", "GZIP, br", "x"]
)
async def test_a_compression_that_was_not_asked_for_is_refused(encoding: str) -> None:  # W51
    twice = gzip.compress(gzip.compress(b"x" * 1_000))
    async with world({"/": answer(twice, Content_Encoding=encoding)}) as there:
        assert "not asked for" in await there.refused(there.evil.url("/"), "unavailable")
        assert there.evil.requests[-1].headers["accept-encoding"] == "gzip"


async def test_a_body_that_is_not_what_its_encoding_says_is_refused() -> None:
    async with world({"/": answer("no gzip at all", Content_Encoding="gzip")}) as there:
        assert "compression is broken" in await there.refused(there.evil.url("/"), "unavailable")


async def test_a_compressed_body_that_breaks_off_is_shown_as_far_as_it_came() -> None:
    whole = gzip.compress(b"".join(b"<p>line %d" % number for number in range(9_000)))
    async with world({"/": answer(whole[: len(whole) // 2], Content_Encoding="gzip")}) as there:
        result = await fetch(there.client, there.evil.url("/"))
        assert body(result).startswith("line 0")
        assert facts(result)["truncated"] == "bytes"


@pytest.mark.parametrize("name", ["deep tables", "paragraphs", "hidden in hidden", "json-ld"])
async def test_markup_that_breaks_the_converter_is_refused_and_the_next_page_is_read(name: str) -> None:
    pages = {"/bomb": html(MARKUP[name]), "/": answer("<p>still here")}
    async with world(pages, caps=Caps(seconds=4)) as there:
        result = await fetch(there.client, there.evil.url("/bomb"))
        if result.is_error:
            assert text(result).startswith(("too_large: ", "timeout: "))
        assert body(await fetch(there.client, there.evil.url("/"))) == "still here"


PACKAGES = {
    "X5 entities": (word(LAUGHS), "invalid"),
    "X5 entity from outside": (word(OUTSIDE), "invalid"),
    "X5 zip bomb": (word(b"<a>" + b"x" * 50_000_000), "too_large"),
    "too many entries": (sheet({f"xl/{number}": b"" for number in range(1_001)}), "too_large"),
    "no zip": (answer(b"PK\x03\x04 and then nothing", "application/vnd.ms-excel.sheet"), "invalid"),
    "broken zip": (answer(package({"a": b"b"})[:-10], PDF.replace("pdf", "octet-stream")), "invalid"),
    "broken XML": (word(b"<a><b></a>"), "invalid"),
    "deep XML": (word(b"<a>" * 200_000), "invalid"),
    "not a PDF": (answer(b"%PDF-1.7 nothing", PDF), "invalid"),
    "empty PDF": (answer(b"", PDF), "invalid"),
}


@pytest.mark.parametrize(("page", "code"), PACKAGES.values(), ids=PACKAGES.keys())
async def test_a_file_that_is_a_bomb_or_a_ruin_is_refused(page: bytes, code: str) -> None:  # X5
    async with world({"/file.docx": page}) as there:
        said = await there.refused(there.evil.url("/file.docx"), code)
        assert "root:" not in said


async def test_a_zip_that_lies_about_its_sizes_is_not_unpacked_beyond_them() -> None:
    honest = package({"word/document.xml": b"<a>" + b"x" * 20_000_000 + b"</a>"})
    small = (1_000).to_bytes(4, "little")
    lie = honest.replace((20_000_007).to_bytes(4, "little"), small)
    async with world({"/a.docx": answer(lie, "")}) as there:
        await there.refused(there.evil.url("/a.docx"), "invalid")
