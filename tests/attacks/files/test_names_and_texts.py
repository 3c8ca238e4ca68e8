"""F35, F37-F39 and their class: names that act, texts that hide, edits that guess, encodings that lie."""

from __future__ import annotations

import codecs
import os
import unicodedata
from typing import Any, Literal

import pytest

# One era is enough here: what is attacked lies behind the protocol.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("attacker", ["auto"], indirect=True)]

NAMES = [
    "evil\n[DIR] spoofed\x1b[31m",
    "a\rb",
    "tab\there",
    "right\u202eto-left.txt",
    "zero\u200bwidth",
    "tag\U000e0041",
    "del\x7f",
    "line\u2028end",
    "back\\slash",
    'quote"s',
    "\\u{41}",
]


@pytest.mark.parametrize("name", NAMES)
async def test_f35_a_name_is_shown_without_what_acts_and_can_be_used_as_shown(attacker: Any, name: str) -> None:
    folder = attacker.ground.root / "names"
    folder.mkdir()
    (folder / name).write_text("its text\n")
    listing = await attacker.call("fs_list", path="names")
    shown = listing.structured["entries"][0]["path"]
    assert shown.isprintable()
    assert "\x1b" not in listing.text
    assert "\n" not in listing.text
    for path in (shown, f"names/{name}"):
        read = await attacker.call("fs_read", path=path)
        assert read.text.splitlines()[1:] == ["its text"]
    found = await attacker.call("fs_search", query="its text")
    assert found.structured["matches"][0]["path"] == shown
    missing = await attacker.call("fs_read", path=f"{name}-missing")
    assert missing.text.isprintable()


async def test_a_name_that_is_no_utf_8_is_shown_and_used(attacker: Any) -> None:
    attacker.ground.make(b"latin-\xe9.txt", b"its text\n")
    listing = await attacker.call("fs_list", glob="latin*")
    shown = listing.structured["entries"][0]["path"]
    assert shown == "latin-\\u{dce9}.txt"
    assert "its text" in (await attacker.call("fs_read", path=shown)).text
    resources = (await attacker.client.list_resources()).resources
    uri = next(resource.uri for resource in resources if "latin" in resource.uri)
    assert uri.endswith("latin-%E9.txt")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
async def test_a_name_is_found_in_the_other_normal_form(attacker: Any, form: Literal["NFC", "NFD"]) -> None:
    there, asked = unicodedata.normalize(form, "Ä-é.txt"), "Ä-é.txt"
    (attacker.ground.root / there).write_text("x\n")
    for spelling in (unicodedata.normalize("NFC", asked), unicodedata.normalize("NFD", asked)):
        assert not (await attacker.call("fs_read", path=spelling)).is_error


async def test_hidden_characters_of_a_text_are_taken_out_and_counted(attacker: Any) -> None:
    (attacker.ground.root / "t").write_text("a\x1b[31mred\u202e\U000e0041 \u200bz\n")
    read = await attacker.call("fs_read", path="t")
    assert read.text.split("\n", 1)[1] == "a[31mred z\n"
    assert read.meta["files/pages"][0]["removed"] == 4
    assert "4 hidden characters" in read.text
    found = await attacker.call("fs_search", query="red")
    assert found.structured["matches"][0]["text"] == "a[31mred z"


async def test_f37_line_ends_stay(attacker: Any) -> None:
    path = attacker.ground.root / "crlf"
    path.write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await attacker.call("fs_edit", path="crlf", edits=[{"old": "two\nthree", "new": "2\n2b\n3"}])
    assert path.read_bytes() == b"one\r\n2\r\n2b\r\n3\r\n"
    await attacker.call("fs_write", path="crlf", content="a\nb", mode="overwrite")
    assert path.read_bytes() == b"a\r\nb"
    await attacker.call("fs_write", path="crlf", content="c\n", mode="append")
    assert path.read_bytes() == b"a\r\nbc\r\n"


async def test_f38_an_empty_old_text_is_refused(attacker: Any) -> None:
    assert (await attacker.call("fs_edit", path="ok.txt", edits=[{"old": "", "new": "x"}])).code == "invalid"
    assert (attacker.ground.root / "ok.txt").read_text() == "fine\n"


async def test_f39_an_old_text_that_is_there_twice_is_refused(attacker: Any) -> None:
    (attacker.ground.root / "twice").write_text("a a\n")
    answer = await attacker.call("fs_edit", path="twice", edits=[{"old": "a", "new": "b"}])
    assert answer.code == "ambiguous"
    assert "2 matches" in answer.text
    assert (attacker.ground.root / "twice").read_text() == "a a\n"


async def test_edits_are_all_done_or_none(attacker: Any) -> None:
    edits = [{"old": "fine", "new": "changed"}, {"old": "not there", "new": "x"}]
    assert (await attacker.call("fs_edit", path="ok.txt", edits=edits)).code == "not_found"
    assert (attacker.ground.root / "ok.txt").read_text() == "fine\n"
    assert sorted(os.listdir(attacker.ground.root)) == sorted(set(os.listdir(attacker.ground.root)))
    assert not [name for name in os.listdir(attacker.ground.root) if "mcp-new" in name]


@pytest.mark.parametrize(
    ("raw", "text", "charset"),
    [
        (codecs.BOM_UTF8 + "é\n".encode(), "é\n", "utf-8 with BOM"),
        (codecs.BOM_UTF16_LE + "é\n".encode("utf-16-le"), "é\n", "utf-8"),
        (codecs.BOM_UTF16_BE + "é\n".encode("utf-16-be"), "é\n", "utf-8"),
        (codecs.BOM_UTF32_LE + "é\n".encode("utf-32-le"), "é\n", "utf-8"),
        ("Grüße aus Köln, schöne Straße\n".encode("latin-1"), "Grüße aus Köln, schöne Straße\n", None),
        ("Привет, мир. Это файл в старой кодировке.\n".encode("cp1251"), None, None),
        (b"bad \xff\xfe\xfd\n", None, None),
        (b"", "", "utf-8"),
    ],
    ids=["utf-8-bom", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1251", "no-utf-8", "empty"],
)
async def test_a_file_in_another_charset_is_read_and_edited_in_it(
    attacker: Any, raw: bytes, text: str | None, charset: str | None
) -> None:
    path = attacker.ground.root / "t"
    path.write_bytes(raw)
    read = await attacker.call("fs_read", path="t")
    assert not read.is_error, read.text
    if text is not None:
        assert read.text.split("\n", 1)[1] == text
    if charset is not None:
        assert read.meta["files/pages"][0]["charset"] == charset
    if raw:
        before = path.read_bytes()
        answer = await attacker.call("fs_edit", path="t", edits=[{"old": "\n", "new": "\nx\n"}])
        if answer.is_error:
            assert path.read_bytes() == before
        else:
            assert path.read_bytes().startswith(before)
    await attacker.works()


@pytest.mark.parametrize("encoding", ["utf-7", "rot13", "base64", "zip", "idna", "nonsense", "x" * 100, "\0", "cp037"])
async def test_no_encoding_does_harm(attacker: Any, encoding: str) -> None:
    answer = await attacker.call("fs_read", path="ok.txt", encoding=encoding)
    assert not answer.is_error or answer.code == "invalid"
    await attacker.works()


async def test_half_a_surrogate_pair_is_refused_wherever_it_stands(attacker: Any) -> None:
    for tool, arguments in (
        ("fs_read", {"path": "\udcff\udc2e"}),
        ("fs_read", {"path": "\ud800"}),
        ("fs_write", {"path": "new", "content": "\ud800"}),
        ("fs_search", {"query": "\ud800"}),
        ("fs_list", {"glob": "\ud800"}),
        ("fs_edit", {"path": "ok.txt", "edits": [{"old": "fine", "new": "\udfff"}]}),
    ):
        answer = await attacker.call(tool, **arguments)
        assert answer.is_error, (tool, answer.text)
        assert answer.code in ("invalid", "not_found"), answer.text
    assert not (attacker.ground.root / "new").exists()
    await attacker.works()


async def test_a_text_that_its_charset_cannot_hold_is_refused_and_nothing_is_lost(attacker: Any) -> None:
    path = attacker.ground.root / "old"
    path.write_bytes("Grüße aus Köln, schöne Straße\n".encode("latin-1"))
    before = path.read_bytes()
    answer = await attacker.call("fs_edit", path="old", edits=[{"old": "aus", "new": "漢"}])
    assert answer.code == "invalid"
    assert path.read_bytes() == before
