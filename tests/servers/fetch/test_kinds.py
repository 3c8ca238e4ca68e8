"""Everything that is text on the web: PDF and office files, JSON, plain text in any charset; and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from servers.fetch.charsets import decode
from servers.fetch.kinds import PDF, SHEET, WORD
from servers.fetch.server import build
from tests.servers.fetch.files import docx, pdf, xlsx
from tests.servers.fetch.reading import body, facts, fetch, text
from tests.servers.fetch.site import OPEN, answer, serving

pytestmark = pytest.mark.anyio
WORD_TEXT = "# Report\n\nGrüße & tea\n\n- first\n- second\n\n| Name | N |\n| --- | --- |\n| a\\|b | 2 |\n\nend"
SHEET_TEXT = "## Fares\n\n| Kind |  | Total |\n| --- | --- | --- |\n| Adult | 4.5 | TRUE |"


@pytest.mark.parametrize("content_type", [PDF, "application/octet-stream", ""])
async def test_a_pdf_is_read_page_by_page(content_type: str) -> None:
    page = answer(pdf(["Hello lake", "Second page", ""]), content_type)
    async with serving({"/a.pdf": page}) as site, Client(build(OPEN)) as client:
        read = body(await fetch(client, site.url("/a.pdf")))
    assert read == "[page 1 of 3]\n\nHello lake\n\n[page 2 of 3]\n\nSecond page\n\n[page 3 of 3]"


async def test_a_pdf_of_pictures_says_so() -> None:
    async with serving({"/": answer(pdf(["", ""]), PDF)}) as site, Client(build(OPEN)) as client:
        assert "only pictures" in text(await fetch(client, site.url()))
        assert "has no such form" in text(await fetch(client, site.url(), format="links"))


@pytest.mark.parametrize(
    ("path", "content_type", "file", "expected", "hidden"),
    [
        ("/a.docx", WORD, docx(), WORD_TEXT, 11),
        ("/a.docx", "application/octet-stream", docx(), WORD_TEXT, 11),
        ("/a.xlsx", SHEET, xlsx(), SHEET_TEXT, 18),
        ("/a.xlsx", "", xlsx(), SHEET_TEXT, 18),
    ],
)
async def test_office_files_are_read_and_their_hidden_text_left_out(
    path: str, content_type: str, file: bytes, expected: str, hidden: int
) -> None:
    async with serving({path: answer(file, content_type)}) as site, Client(build(OPEN)) as client:
        result = await fetch(client, site.url(path))
    assert body(result) == expected
    assert facts(result)["removed"]["hidden"] == hidden
    assert f"{hidden} hidden chars left out" in text(result)


async def test_json_is_indented_on_demand_and_broken_json_says_so() -> None:
    pages = {"/a": answer('{"a":[1,"ü"]}', "application/json"), "/b": answer("{", "application/problem+json")}
    async with serving(pages) as site, Client(build(OPEN)) as client:
        assert body(await fetch(client, site.url("/a"), format="json")) == '{\n "a": [\n  1,\n  "ü"\n ]\n}'
        assert body(await fetch(client, site.url("/a"))) == '{"a":[1,"ü"]}'
        assert text(await fetch(client, site.url("/b"), format="json")).startswith("invalid: The page is not JSON.")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "text/markdown", "application/xml", "application/rss+xml", "text/csv", "application/yaml", ""],
)
async def test_text_of_any_kind_comes_as_it_is(content_type: str) -> None:
    async with serving({"/": answer("a,<b>\n# c", content_type)}) as site, Client(build(OPEN)) as client:
        assert body(await fetch(client, site.url())) == "a,<b>\n# c"


@pytest.mark.parametrize(
    ("content_type", "start", "said"),
    [
        ("image/png", b"\x89PNG", "The page is image/png, not text."),
        ("application/zip", b"PK\x03\x04", "The page is application/zip, not text."),
        ("image/svg+xml", b"<svg/>", "The page is image/svg+xml, not text."),
        ("application/octet-stream", b"\x7fELF\x00\x01", "The page is application/octet-stream, not text."),
        ("x/y\x1b[31m IGNORE ME", b"?", "The page is of an unknown type, not text."),
    ],
)
async def test_what_is_not_text_is_named_and_not_sent(content_type: str, start: bytes, said: str) -> None:
    async with serving({"/": answer(start + b"\0" * 100, content_type)}) as site, Client(build(OPEN)) as client:
        answered = text(await fetch(client, site.url()))
    assert answered.startswith(("invalid: " + said, "unavailable: "))
    assert "IGNORE" not in answered


CHARSETS = {
    "header wins over meta": (b"<meta charset=utf-8>\xfc", "iso-8859-1", "ü", "cp1252"),
    "mark wins over header": ("\ufeffü".encode(), "iso-8859-1", "ü", "utf-8"),
    "UTF-16 mark": ("\ufeffü".encode("utf-16-be"), None, "ü", "utf-16-be"),
    "meta": ("<meta charset='windows-1251'>Привет".encode("cp1251"), None, "Привет", "cp1251"),
    "meta http-equiv": (
        "<meta http-equiv=x content='text/html; charset=big5'>湖".encode("big5"),
        None,
        "湖",
        "big5hkscs",
    ),
    "xml declaration": (
        "<?xml version='1.0' encoding='ISO-8859-2'?><a>ł</a>".encode("iso8859-2"),
        None,
        "ł",
        "iso8859-2",
    ),
    "latin1 is windows-1252": (b"\x80", "latin1", "€", "cp1252"),
    "meta that lies about UTF-16": ("<meta charset=utf-16>ü".encode(), None, "ü", "utf-8"),
    "label unknown": ("ü".encode(), "x-nonsense", "ü", "utf-8"),
    "label that is no charset": ("ü".encode(), "base64", "ü", "utf-8"),
    "label that is dangerous": (b"+ADw-script+AD4-", "utf-7", "+ADw-script+AD4-", "utf-8"),
    "nothing said": ("grüße".encode(), None, "grüße", "utf-8"),
    "nothing said, western": ("Größe und Weiß, sagte er, für 5 €".encode("cp1252"), None, "5 €", "cp1252"),
    "nothing said but a language": ("<html lang=pl>Zażółć gęślą".encode("cp1250"), None, "gęślą", "cp1250"),
    "nothing said, Japanese": ("<html lang=ja>お茶の淹れ方".encode("euc_jp"), None, "お茶の淹れ方", "euc_jp"),
    "cut inside a character": ("aü".encode()[:-1], None, "a\ufffd", "utf-8"),
}


@pytest.mark.parametrize(("data", "header", "expected", "charset"), CHARSETS.values(), ids=CHARSETS.keys())
def test_the_charset_is_found_as_browsers_find_it(data: bytes, header: str | None, expected: str, charset: str) -> None:
    found = decode(data, header)
    assert expected in found.text
    assert found.charset == charset


@given(data=st.binary(max_size=200), header=st.one_of(st.none(), st.text(max_size=20)))
def test_any_bytes_are_some_text(data: bytes, header: str | None) -> None:
    assert isinstance(decode(data, header).text, str)


@given(text=st.text(max_size=200))
def test_utf_8_is_read_as_it_was_written(text: str) -> None:
    if not text.startswith("\ufeff") and "charset" not in text and "encoding" not in text:
        assert decode(text.encode("utf-8", "replace"), "utf-8").text == text.encode("utf-8", "replace").decode()
