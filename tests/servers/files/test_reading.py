"""What fs_read, fs_list, fs_search and fs_info give, asked for through the protocol."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers.files.talking import in_process, text_of, tree

pytestmark = pytest.mark.anyio
LONG = "".join(f"line {number}\n" for number in range(1, 1001))


async def test_a_header_says_what_part_it_is_and_how_to_go_on(tmp_path: Path) -> None:
    tree(tmp_path, {"long.txt": LONG})
    async with in_process(str(tmp_path)) as talk:
        text = await talk.text("fs_read", path="long.txt", max_lines=10)
        header = text.split("\n", 1)[0]
        pattern = (
            r"\[long.txt · lines 1-10 of 1000 · utf-8 · LF · sha256 [0-9a-f]{16} · truncated, next: start_line=11\]"
        )
        assert re.fullmatch(pattern, header)
        text, facts = await talk.page(path="long.txt", start_line=991, max_lines=100)
        assert (facts["truncated"], facts["next"], text.count("\n")) == (None, None, 10)
        assert (await talk.page(path="long.txt", tail=2))[0] == "line 999\nline 1000\n"
        assert (await talk.page(path="long.txt", start_line=7, max_lines=2, numbers=True))[
            0
        ] == "7\tline 7\n8\tline 8\n"
        assert "no line 1001" in await talk.refusal("fs_read", path="long.txt", start_line=1001)


async def test_several_files_come_in_one_answer_and_one_that_fails_fails_alone(tmp_path: Path) -> None:
    tree(tmp_path, {"a": "A\n", "b": "B"})
    async with in_process(str(tmp_path)) as talk:
        result = await talk.call("fs_read", paths=["a", "nothing", "b", "../x"])
        texts = [block.text for block in result.content if block.type == "text"]
        assert [text.split("\n")[1:] for text in texts] == [["A", ""], [], ["B"], []]
        assert "not_found" in texts[1]
        assert "no line end at the end" in texts[2]
        assert "denied" in texts[3]
        for wrong in ({}, {"path": "a", "paths": ["b"]}, {"paths": []}, {"paths": ["a"] * 21}):
            assert "invalid" in await talk.refusal("fs_read", **wrong)


async def test_bytes_put_together_are_the_file(tmp_path: Path) -> None:
    raw = os.urandom(100_000)
    tree(tmp_path, {"blob": raw})
    async with in_process(str(tmp_path)) as talk:
        pieces, offset = b"", 0
        while offset is not None:
            text, facts = await talk.page(path="blob", offset=offset, max_bytes=30_000, **{"as": "base64"})
            pieces += base64.b64decode(text)
            offset = (facts["next"] or {}).get("offset")
        assert pieces == raw
        assert "invalid" in await talk.refusal("fs_read", path="blob", offset=100_001, **{"as": "base64"})


def pdf(*texts: str) -> bytes:
    """A PDF with one line of text on each page, written by hand."""
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(texts)))
    bodies = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(texts):
        stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET"
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        bodies.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, places = "%PDF-1.4\n", list[int]()
    for number, body in enumerate(bodies, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}"
    return (out + f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").encode()


async def test_the_text_of_a_pdf_is_read_in_pages(tmp_path: Path) -> None:
    tree(tmp_path, {"two.pdf": pdf("Hello from page one", "And from page two"), "broken.pdf": b"%PDF-1.4\nnothing"})
    async with in_process(str(tmp_path)) as talk:
        text, facts = await talk.page(path="two.pdf")
        assert text == "--- page 1 of 2 ---\nHello from page one\n--- page 2 of 2 ---\nAnd from page two\n"
        assert facts["total_lines"] == 4
        assert (await talk.page(path="two.pdf", tail=1))[0] == "And from page two\n"
        assert "cannot be read" in await talk.refusal("fs_read", path="broken.pdf")
        tree(tmp_path, {"text.txt": "no pdf"})
        assert "no PDF" in await talk.refusal("fs_read", path="text.txt", **{"as": "pdf"})


async def test_pictures_and_sounds_are_told_by_their_bytes_not_by_their_names(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.png": b"\x89PNG\r\n\x1a\n", "b": b"\xff\xd8\xff\xe0", "c": b"GIF89a", "d": b"RIFF\0\0\0\0WEBP",
        "e.wav": b"RIFF\0\0\0\0WAVE", "f": b"ID3\x03", "g": b"OggS", "liar.png": "just text\n",
    }  # fmt: skip
    tree(tmp_path, files)
    async with in_process(str(tmp_path)) as talk:
        kinds: dict[str, Any] = {}
        for name in files:
            block = (await talk.call("fs_read", path=name)).content[-1]
            kinds[name] = getattr(block, "mime_type", "text")
        assert kinds == {
            "a.png": "image/png", "b": "image/jpeg", "c": "image/gif", "d": "image/webp",
            "e.wav": "audio/wav", "f": "audio/mpeg", "g": "audio/ogg", "liar.png": "text",
        }  # fmt: skip
        assert "invalid" in await talk.refusal("fs_read", path="liar.png", **{"as": "image"})
        assert "invalid" in await talk.refusal("fs_read", path="a.png", **{"as": "audio"})


def seen_by_git(root: Path) -> list[str]:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    listing = ["git", "ls-files", "--others", "--exclude-standard", "--cached"]
    return subprocess.run(listing, cwd=root, capture_output=True, text=True, check=True).stdout.split()


async def test_gitignore_is_respected_as_git_does(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            ".gitignore": "*.log\nbuild/\n/top.txt\n!keep.log\n",
            "a.log": "needle", "keep.log": "needle", "top.txt": "needle", "sub/top.txt": "needle",
            "build/out.txt": "needle", "sub/.gitignore": "*.md\n!read.md\n", "sub/x.md": "needle",
            "sub/read.md": "needle", "sub/deep/y.md": "needle", "other/x.md": "needle",
        },
    )  # fmt: skip
    expected = sorted(name for name in seen_by_git(tmp_path) if not Path(name).name.startswith("."))
    async with in_process(str(tmp_path)) as talk:
        listing = await talk.data("fs_list", depth=8, kind="file")
        assert sorted(entry["path"] for entry in listing["entries"]) == expected
        found = await talk.data("fs_search", query="needle")
        assert sorted(match["path"] for match in found["matches"]) == expected
        assert found["skipped"]["ignored"] == 5
        everything = await talk.data("fs_search", query="needle", ignored=True)
        assert len(everything["matches"]) == 9
        inside = await talk.data("fs_list", path="build")
        assert [entry["path"] for entry in inside["entries"]] == ["build/out.txt"]
        below = await talk.data("fs_search", query="needle", path="sub/deep")
        assert below["matches"] == []


async def test_search_shows_lines_context_and_what_it_passed_over(tmp_path: Path) -> None:
    tree(
        tmp_path,
        {
            "a.txt": "one\nTwo\nthree\nfour two\n", "b.bin": b"two\0", "c.md": "TWO\r\nrest\r\n", ".hid/d.txt": "two",
            "e.txt": "Straße\n", "f.txt": "x" * 5000 + " two " + "y" * 5000,
        },
    )  # fmt: skip
    async with in_process(str(tmp_path)) as talk:
        found = await talk.data("fs_search", query="two", glob="*.txt", context=1)
        assert found["matches"][:2] == [
            {"path": "a.txt", "line": 2, "text": "Two", "before": ["one"], "after": ["three"]},
            {"path": "a.txt", "line": 4, "text": "four two", "before": ["three"]},
        ]
        assert "two" in found["matches"][2]["text"]
        assert len(found["matches"][2]["text"]) <= 400
        smart = await talk.data("fs_search", query="TWO")
        assert [match["path"] for match in smart["matches"]] == ["c.md"]
        assert (smart["matches"][0]["text"], smart["skipped"]["binary"]) == ("TWO", 1)
        sensitive = await talk.data("fs_search", query="two", case="sensitive")
        assert {match["line"] for match in sensitive["matches"] if match["path"] == "a.txt"} == {4}
        assert len((await talk.data("fs_search", query="two", hidden=True))["matches"]) == 5
        assert [
            match["path"]
            for match in (await talk.data("fs_search", query="STRASSE|straße", regex=True, case="insensitive"))[
                "matches"
            ]
        ] == ["e.txt"]
        by_name = await talk.data("fs_search", query="*.md", **{"in": "name"})
        assert by_name["matches"] == [{"path": "c.md"}]
        assert (await talk.data("fs_search", query="B.", **{"in": "name"}))["matches"] == []
        assert (await talk.data("fs_search", query=r"^[ab]\.", regex=True, **{"in": "name"}))["matches"] == [
            {"path": "a.txt"},
            {"path": "b.bin"},
        ]
        assert "invalid" in await talk.refusal("fs_search", query="")
        assert "not a folder" in await talk.refusal("fs_search", query="x", path="a.txt")


async def test_a_link_that_stays_inside_is_followed(tmp_path: Path) -> None:
    tree(tmp_path, {"real/a.txt": "A\n"})
    (tmp_path / "alias").symlink_to("real")
    (tmp_path / "file").symlink_to("real/a.txt")
    async with in_process(str(tmp_path)) as talk:
        for path in ("file", "alias/a.txt"):
            result = await talk.call("fs_read", path=path)
            assert result.is_error or text_of(result).endswith("A\n")
        kinds = {entry["path"]: entry["kind"] for entry in (await talk.data("fs_list"))["entries"]}
        assert kinds == {"alias": "link", "file": "link", "real": "dir"}


async def test_what_is_known_without_reading(tmp_path: Path) -> None:
    tree(tmp_path, {"a.py": "print()\n", "b": b"\0\1", "c.txt": b"\xef\xbb\xbfx"})
    os.chmod(tmp_path / "a.py", 0o640)
    os.utime(tmp_path / "a.py", (0, 1_000_000_000))
    async with in_process(str(tmp_path)) as talk:
        assert await talk.data("fs_info", path="a.py") == {
            "path": "a.py", "kind": "file", "size": 8, "mtime": "2001-09-09T01:46:40Z", "mode": "0640",
            "mime": "text/x-python", "charset": "utf-8", "lines": 1,
        }  # fmt: skip
        assert (await talk.data("fs_info", path="b"))["mime"] == "application/octet-stream"
        assert (await talk.data("fs_info", path="c.txt"))["charset"] == "utf-8 with BOM"
        assert (await talk.data("fs_info", path="."))["kind"] == "dir"


@pytest.mark.parametrize("opener", ["kernel", "walk"])
async def test_the_walk_serves_where_the_kernel_call_is_missing(tmp_path: Path, opener: str) -> None:
    from servers.files.folder import Folder
    from servers.files.opening import kernel_opens, open_by_kernel, open_by_walk
    from servers.files.roots import Root

    if opener == "kernel" and not kernel_opens():
        pytest.skip("this kernel or its filter has no openat2")
    tree(tmp_path, {"a/b.txt": "x"})
    (tmp_path / "a" / "in").symlink_to("b.txt")
    root = str(tmp_path)
    folder = Folder.at(Root("f", root, root), opener=open_by_kernel if opener == "kernel" else open_by_walk)
    with folder.file("a/b.txt") as opened:
        assert (os.read(opened.fd, 9), opened.path) == (b"x", "a/b.txt")
    if opener == "kernel":
        with folder.file("a/in") as opened:
            assert opened.path == "a/b.txt"
    folder.close()
