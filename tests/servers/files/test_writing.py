"""What fs_write, fs_edit, fs_move and fs_delete do to the disk, and what they ask before."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.servers.files.talking import Mode, User, in_process, tree

pytestmark = pytest.mark.anyio
ERAS: list[Mode] = ["auto", "legacy"]


def all_files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("user", [User(agrees=False), User(action="decline"), User(action="cancel")], ids=str)
async def test_nothing_is_lost_without_the_users_yes(tmp_path: Path, mode: Mode, user: User) -> None:
    tree(tmp_path, {"a": "A", "b": "B", "d/x": "X"})
    before = all_files(tmp_path)
    asked = len(user.asked)
    async with in_process(f"{tmp_path}:rw", mode=mode, user=user) as talk:
        for tool, arguments in (
            ("fs_write", {"path": "a", "content": "new", "mode": "overwrite"}),
            ("fs_move", {"src": "a", "dst": "b", "overwrite": True}),
            ("fs_delete", {"path": "a"}),
            ("fs_delete", {"path": "d", "recursive": True}),
        ):
            assert "did not agree" in await talk.refusal(tool, **arguments)
    assert len(user.asked) == asked + 4
    assert all_files(tmp_path) == before


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_that_cannot_ask_is_refused_unless_the_operator_decided(tmp_path: Path, mode: Mode) -> None:
    tree(tmp_path, {"a": "A"})
    async with in_process(f"{tmp_path}:rw", mode=mode) as talk:
        assert "--confirm=allow" in await talk.refusal("fs_delete", path="a")
        await talk.data("fs_write", path="new", content="x")
        assert "not_found" in await talk.refusal("fs_delete", path="nothing")
    async with in_process(f"{tmp_path}:rw", mode=mode, user=User(), confirm="deny") as talk:
        assert "denied" in await talk.refusal("fs_delete", path="a")
        assert (tmp_path / "a").exists()
    user = User()
    async with in_process(f"{tmp_path}:rw", mode=mode, user=user, confirm="allow") as talk:
        await talk.data("fs_delete", path="a")
        assert (user.asked, (tmp_path / "a").exists()) == ([], False)


async def test_what_is_not_lost_is_not_asked_about(tmp_path: Path) -> None:
    tree(tmp_path, {"a": "A"})
    user = User(action="decline")
    async with in_process(f"{tmp_path}:rw", user=user) as talk:
        await talk.data("fs_write", path="b", content="x", mode="overwrite")
        await talk.data("fs_write", path="b", content="y", mode="append")
        await talk.data("fs_move", src="b", dst="c", overwrite=True)
        await talk.data("fs_edit", path="c", edits=[{"old": "x", "new": "z"}])
        for path in (".git/config", "."):
            assert "denied" in await talk.refusal("fs_delete", path=path)
        assert user.asked == []
        assert (tmp_path / "c").read_text() == "zy"


async def test_a_hash_guards_against_changes_by_others(tmp_path: Path) -> None:
    tree(tmp_path, {"a": "one\n"})
    async with in_process(f"{tmp_path}:rw", confirm="allow") as talk:
        shown = (await talk.page(path="a"))[1]["sha256"]
        (tmp_path / "a").write_text("changed\n")
        for tool, more in (
            ("fs_write", {"content": "x", "mode": "overwrite"}),
            ("fs_write", {"content": "x", "mode": "append"}),
            ("fs_edit", {"edits": [{"old": "changed", "new": "x"}]}),
        ):
            assert (await talk.refusal(tool, path="a", if_sha256=shown, **more)).startswith("conflict")
        assert (tmp_path / "a").read_text() == "changed\n"
        now = hashlib.sha256(b"changed\n").hexdigest()
        for expected in (now[:16], now.upper(), f"sha256:{now}"):
            await talk.data("fs_edit", path="a", edits=[{"old": "changed", "new": "changed"}], if_sha256=expected)
        assert "too short" in await talk.refusal("fs_write", path="a", content="x", mode="append", if_sha256="ab")
        assert "not_found" in await talk.refusal("fs_write", path="n", content="x", mode="overwrite", if_sha256=now)


async def test_a_dry_run_shows_everything_and_changes_nothing(tmp_path: Path) -> None:
    tree(tmp_path, {"a": "one\ntwo\nthree\n"})
    async with in_process(f"{tmp_path}:rw") as talk:
        dry = await talk.data("fs_edit", path="a", edits=[{"old": "two", "new": "2"}], dry_run=True)
        assert (tmp_path / "a").read_text() == "one\ntwo\nthree\n"
        done = await talk.data("fs_edit", path="a", edits=[{"old": "two", "new": "2"}])
        assert dry == done
        assert done["diff"] == "--- a\n+++ a\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three"
        assert done["sha256"] == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()


async def test_a_failed_edit_says_where_the_nearest_line_is(tmp_path: Path) -> None:
    tree(tmp_path, {"a": "def start():\n    return  1\n", "b": "x\u200by = 1\n"})
    async with in_process(f"{tmp_path}:rw") as talk:
        text = await talk.refusal("fs_edit", path="a", edits=[{"old": "return 1", "new": "return 2"}])
        assert "line 2" in text
        assert "'return  1'" in text
        text = await talk.refusal("fs_edit", path="b", edits=[{"old": "xy = 1", "new": ""}])
        assert "1 hidden characters" in text


async def test_mode_charset_and_line_ends_of_a_file_stay(tmp_path: Path) -> None:
    tree(tmp_path, {"a": b"\xef\xbb\xbfone\r\ntwo"})
    os.chmod(tmp_path / "a", 0o751)
    async with in_process(f"{tmp_path}:rw", confirm="allow") as talk:
        await talk.data("fs_edit", path="a", edits=[{"old": "one\ntwo", "new": "1\n2\n3"}])
        assert (tmp_path / "a").read_bytes() == b"\xef\xbb\xbf1\r\n2\r\n3"
        await talk.data("fs_write", path="a", content="\nend\n", mode="append")
        assert (tmp_path / "a").read_bytes() == b"\xef\xbb\xbf1\r\n2\r\n3\r\nend\r\n"
        await talk.data("fs_write", path="a", content="new\n", mode="overwrite")
        assert (tmp_path / "a").read_bytes() == b"\xef\xbb\xbfnew\r\n"
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o751
    assert os.listdir(tmp_path) == ["a"]


async def test_a_folder_is_moved_copied_and_deleted_whole(tmp_path: Path) -> None:
    tree(tmp_path, {"d/a": "A", "d/e/b": "B"})
    async with in_process(f"{tmp_path}:rw", confirm="allow") as talk:
        await talk.data("fs_move", src="d", dst="copy", copy=True)
        await talk.data("fs_move", src="d", dst="moved")
        assert all_files(tmp_path) == {"copy/a": b"A", "copy/e/b": b"B", "moved/a": b"A", "moved/e/b": b"B"}
        assert "exists" in await talk.refusal("fs_move", src="copy", dst="moved", overwrite=True)
        assert "invalid" in await talk.refusal("fs_move", src="moved", dst="moved/inside")
        assert "recursive=true" in await talk.refusal("fs_delete", path="moved")
        gone = await talk.data("fs_delete", path="moved", recursive=True)
        assert gone["entries"] == 4
        await talk.data("fs_move", src=gone["trash_id"], dst="back")
        assert (tmp_path / "back/e/b").read_text() == "B"
    async with in_process(f"{tmp_path}:rw", confirm="allow", trash=False) as talk:
        assert "trash_id" not in await talk.data("fs_delete", path="back", recursive=True)
        assert [path for path in all_files(tmp_path) if "b" in Path(path).name] == ["copy/e/b"]


async def test_a_copy_into_itself_ends(tmp_path: Path) -> None:
    tree(tmp_path, {"d/a": "A"})
    async with in_process(f"{tmp_path}:rw", confirm="allow") as talk:
        result = await talk.call("fs_move", src="d", dst="d/inside", copy=True)
        assert result.is_error or all_files(tmp_path) == {"d/a": b"A", "d/inside/a": b"A"}
        await talk.data("fs_list", path="d", depth=8)


async def test_the_operator_may_open_a_protected_name(tmp_path: Path) -> None:
    tree(tmp_path, {".env.test": "A=1\n", ".env": "B=2\n"})
    async with in_process(f"{tmp_path}:rw", confirm="allow", allow=[".env.test"]) as talk:
        assert (await talk.page(path=".env.test"))[0] == "A=1\n"
        await talk.data("fs_edit", path=".env.test", edits=[{"old": "1", "new": "2"}])
        assert "denied" in await talk.refusal("fs_read", path=".env")
