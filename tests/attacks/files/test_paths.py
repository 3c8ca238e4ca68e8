"""F01-F25 and their class: whatever a path is called, it stays inside."""

from __future__ import annotations

import os
import unicodedata
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

OUTSIDE = [
    pytest.param("../O/secret.txt", id="F01-dots"),
    pytest.param("/etc/passwd", id="F02-absolute"),
    pytest.param("{root}/../O/secret.txt", id="F03-root-and-dots"),
    pytest.param("{base}/A_evil/secret.txt", id="F04-sibling-prefix"),
    pytest.param("../A_evil/secret.txt", id="F04-sibling-by-dots"),
    pytest.param("link_file", id="F05-link-to-file"),
    pytest.param("link_relative", id="F05-relative-link"),
    pytest.param("link_dir/secret.txt", id="F06-link-to-folder"),
    pytest.param("link_chain", id="F07-chain-of-links"),
    pytest.param("sub/up/O/secret.txt", id="link-upwards"),
    pytest.param("sub/../../O/secret.txt", id="dots-in-the-middle"),
    pytest.param("./.././O/secret.txt", id="dots-and-dot"),
    pytest.param("A:/../O/secret.txt", id="named-and-dots"),
    pytest.param("A:/link_file", id="named-link"),
    pytest.param("/proc/self/root/etc/passwd", id="proc"),
    pytest.param("//etc/passwd", id="two-slashes"),
    pytest.param("self", id="link-to-itself"),
]
NOT_THERE = [
    pytest.param("link_dir/../O/secret.txt", id="dots-behind-a-link"),
    pytest.param("file:///etc/passwd", id="F10-file-uri"),
    pytest.param("%2e%2e/O/secret.txt", id="F11-percent"),
    pytest.param("%2e%2e%2fO%2fsecret.txt", id="F11-percent-slash"),
    pytest.param("..%2FO/secret.txt", id="F11-percent-half"),
    pytest.param("~/.bashrc", id="F13-home"),
    pytest.param("~root/.bashrc", id="F13-home-of-root"),
    pytest.param("..\\O\\secret.txt", id="F14-backslash"),
    pytest.param("．．/O/secret.txt", id="F15-fullwidth"),  # noqa: RUF001 -- that is the attack
    pytest.param("‥/O/secret.txt", id="F15-two-dot-leader"),
    pytest.param("\\u{2e}\\u{2e}/O/secret.txt", id="our-own-escape"),
    pytest.param("$HOME/.bashrc", id="variable"),
    pytest.param("C:/Windows/win.ini", id="drive"),
    pytest.param("\\\\?\\C:\\secret", id="windows-device"),
    pytest.param("ok.txt/", id="file-with-slash-is-the-file-or-nothing"),
    pytest.param("ok.txt/../../O/secret.txt", id="dots-behind-a-file"),
    pytest.param("ok.txt::$DATA", id="stream"),
    pytest.param(unicodedata.normalize("NFKC", "．．") + "x/O/secret.txt", id="normal-form"),  # noqa: RUF001
]


def spelled(path: str, ground: Any) -> str:
    return path.replace("{root}", str(ground.root)).replace("{base}", str(ground.base))


@pytest.mark.parametrize("path", OUTSIDE)
async def test_what_lies_outside_is_denied_to_whoever_looks(attacker: Any, path: str) -> None:
    for tool in ("fs_read", "fs_info", "fs_list", "fs_search"):
        arguments = {"query": "CANARY"} if tool == "fs_search" else {}
        answer = await attacker.call(tool, path=spelled(path, attacker.ground), **arguments)
        assert answer.code == "denied", (tool, answer.text)
    await attacker.works()


@pytest.mark.parametrize("path", NOT_THERE)
async def test_no_spelling_is_decoded_into_another(attacker: Any, path: str) -> None:
    answer = await attacker.call("fs_read", path=path)
    if path == "ok.txt/":
        assert not answer.is_error
    else:
        assert answer.code in ("not_found", "denied"), answer.text
    await attacker.works()


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("ok.txt\0.png", id="F12-nul"),
        pytest.param("\0", id="F12-only-nul"),
        pytest.param("a" * 5000, id="F16-long"),
        pytest.param("a/" * 3000, id="F16-deep"),
        pytest.param("x" * 300, id="F16-long-name"),
    ],
)
async def test_what_can_be_no_path_is_refused_at_once(attacker: Any, path: str) -> None:
    for tool in ("fs_read", "fs_write", "fs_list"):
        arguments = {"content": "x"} if tool == "fs_write" else {}
        answer = await attacker.call(tool, path=path, **arguments)
        assert answer.code in ("invalid", "not_found"), (tool, answer.text)
    await attacker.works()


WRITES = [
    pytest.param("link_file", id="F17-link-to-file"),
    pytest.param("link_dir/new.txt", id="F18-link-to-folder"),
    pytest.param("dangling", id="F19-dangling-link"),
    pytest.param("../O/new2.txt", id="F20-dots"),
    pytest.param("sub/up/new3.txt", id="link-upwards"),
    pytest.param("{base}/O/new4.txt", id="absolute"),
    pytest.param("link_chain", id="chain"),
    pytest.param("link_dir/dir/deep/new.txt", id="through-a-link-with-new-folders"),
]


@pytest.mark.parametrize("path", WRITES)
async def test_nothing_is_written_or_edited_outside(attacker: Any, path: str) -> None:
    path = spelled(path, attacker.ground)
    for mode in ("create", "overwrite", "append"):
        answer = await attacker.call("fs_write", path=path, content="PWNED", mode=mode, mkdirs=True)
        assert answer.code == "denied", (mode, answer.text)
    answer = await attacker.call("fs_edit", path=path, edits=[{"old": "CANARY", "new": "PWNED"}])
    assert answer.code in ("denied", "not_found"), answer.text
    await attacker.works()


async def test_f21_no_folder_is_made_through_a_link(attacker: Any) -> None:
    answer = await attacker.call("fs_write", path="link_dir/made/x.txt", content="x", mkdirs=True)
    assert answer.code == "denied"


async def test_f22_no_folder_is_listed_through_a_link(attacker: Any) -> None:
    assert (await attacker.call("fs_list", path="link_dir")).code == "denied"
    listing = await attacker.call("fs_list", path=".", depth=8)
    assert "secret.txt" not in listing.text
    assert {entry["kind"] for entry in listing.structured["entries"] if entry["path"].startswith("link")} == {"link"}


@pytest.mark.parametrize(
    ("src", "dst"),
    [
        pytest.param("ok.txt", "link_dir/moved.txt", id="F23-out-through-a-link"),
        pytest.param("ok.txt", "../O/moved.txt", id="F23-out-by-dots"),
        pytest.param("{base}/O/secret.txt", "mine.txt", id="F25-in-by-absolute-path"),
        pytest.param("link_dir/secret.txt", "mine.txt", id="F25-in-through-a-link"),
        pytest.param("link_file", "mine.txt", id="F25-the-link-itself"),
        pytest.param("sub/up/O/secret.txt", "mine.txt", id="F25-in-by-a-link-upwards"),
    ],
)
async def test_nothing_is_moved_or_copied_across_the_border(attacker: Any, src: str, dst: str) -> None:
    for copy in (False, True):
        answer = await attacker.call("fs_move", src=spelled(src, attacker.ground), dst=dst, copy=copy, overwrite=True)
        assert answer.code == "denied", answer.text
        assert not (attacker.ground.root / "mine.txt").exists()
    await attacker.works()


async def test_a_folder_of_links_is_copied_without_what_they_point_to(attacker: Any) -> None:
    (attacker.ground.root / "many").mkdir()
    (attacker.ground.root / "many" / "l").symlink_to(attacker.ground.outside / "secret.txt")
    (attacker.ground.root / "many" / "d").symlink_to(attacker.ground.outside)
    (attacker.ground.root / "many" / "f").write_text("f")
    assert not (await attacker.call("fs_move", src="many", dst="copy", copy=True)).is_error
    assert os.listdir(attacker.ground.root / "copy") == ["f"]


async def test_f24_a_move_never_replaces_unasked(attacker: Any) -> None:
    (attacker.ground.root / "dest.txt").write_text("precious")
    answer = await attacker.call("fs_move", src="ok.txt", dst="dest.txt")
    assert answer.code == "exists"
    assert (attacker.ground.root / "dest.txt").read_text() == "precious"
    await attacker.works()


@pytest.mark.parametrize("path", ["link_file", "link_dir", "link_dir/secret.txt", "../O/secret.txt", ".", "", "sub/.."])
async def test_nothing_outside_and_no_root_is_deleted(attacker: Any, path: str) -> None:
    answer = await attacker.call("fs_delete", path=path, recursive=True)
    assert answer.code == "denied", answer.text
    await attacker.works()


async def test_deleting_a_folder_leaves_what_its_links_point_to(attacker: Any) -> None:
    (attacker.ground.root / "many").mkdir()
    (attacker.ground.root / "many" / "d").symlink_to(attacker.ground.outside)
    assert not (await attacker.call("fs_delete", path="many", recursive=True)).is_error
    assert not (attacker.ground.root / "many").exists()


async def test_a_file_with_a_second_name_elsewhere_is_not_written(attacker: Any) -> None:
    os.link(attacker.ground.outside / "secret.txt", attacker.ground.root / "hard")
    for mode in ("overwrite", "append"):
        assert (await attacker.call("fs_write", path="hard", content="PWNED", mode=mode)).code == "denied"
    assert (await attacker.call("fs_edit", path="hard", edits=[{"old": "C", "new": "P", "count": 1}])).code == "denied"


async def test_a_planted_trash_leads_nowhere(attacker: Any) -> None:
    (attacker.ground.root / ".trash").symlink_to(attacker.ground.outside)
    answer = await attacker.call("fs_delete", path="ok.txt")
    assert answer.code == "denied", answer.text
    await attacker.works()


@pytest.mark.parametrize(
    "uri",
    [
        "files://A/../O/secret.txt",
        "files://A/%2e%2e/O/secret.txt",
        "files://A/..%2fO%2fsecret.txt",
        "files://A/link_file",
        "files://A/link_dir/secret.txt",
        "files://A//etc/passwd",
        "files://A/%2fetc%2fpasswd",
        "files://A/ok.txt%00.png",
        "files:///etc/passwd",
        "files://O/secret.txt",
        "file:///etc/passwd",
    ],
)
async def test_no_resource_leads_outside(attacker: Any, uri: str) -> None:
    from mcp import MCPError

    with pytest.raises(MCPError) as refusal:
        await attacker.client.read_resource(uri)
    assert attacker.ground.canary not in str(refusal.value)
    assert str(attacker.ground.base) not in str(refusal.value)
    await attacker.works()
