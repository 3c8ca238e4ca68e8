"""F26-F28, F34 and their class: what is no plain file, and what is too large to be one."""

from __future__ import annotations

import os
import socket
from typing import Any

import anyio
import pytest

pytestmark = pytest.mark.anyio
TOOLS = ["fs_read", "fs_write", "fs_edit", "fs_move", "fs_delete"]


def aimed(tool: str, path: str) -> dict[str, Any]:
    more: dict[str, dict[str, Any]] = {
        "fs_write": {"path": path, "content": "x", "mode": "overwrite"},
        "fs_edit": {"path": path, "edits": [{"old": "a", "new": "b"}]},
        "fs_move": {"src": path, "dst": "elsewhere"},
    }
    return more.get(tool, {"path": path})


@pytest.mark.parametrize("tool", TOOLS)
async def test_f26_a_pipe_is_refused_and_holds_nobody_up(attacker: Any, tool: str) -> None:
    os.mkfifo(attacker.ground.root / "pipe")
    with anyio.fail_after(10):
        for _ in range(4):
            answer = await attacker.call(tool, **aimed(tool, "pipe"))
            assert answer.code == "invalid"
            assert "regular file" in answer.text
    await attacker.works()


@pytest.mark.parametrize("how", ["auto", "text", "image", "base64", "pdf"])
async def test_a_socket_is_refused(attacker: Any, how: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(attacker.ground.root)  # the path of a socket has at most 107 bytes
        try:
            listener.bind("socket")
        finally:
            os.chdir(here)
        answer = await attacker.call("fs_read", path="socket", **{"as": how})
    assert answer.code == "invalid", answer.text
    await attacker.works()


async def test_a_device_is_refused(attacker: Any) -> None:
    try:
        os.mknod(attacker.ground.root / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("making a device node needs root")
    assert (await attacker.call("fs_read", path="zero")).is_error
    await attacker.works()


async def test_walkers_pass_pipes_by(attacker: Any) -> None:
    os.mkfifo(attacker.ground.root / "pipe")
    found = await attacker.call("fs_search", query="fine")
    assert [match["path"] for match in found.structured["matches"]] == ["ok.txt"]
    listing = await attacker.call("fs_list")
    assert {"path": "pipe", "kind": "other"}.items() <= next(
        entry for entry in listing.structured["entries"] if entry["path"] == "pipe"
    ).items()
    assert (await attacker.call("fs_info", path="pipe")).structured["kind"] == "other"


async def test_f27_a_giant_file_answers_with_its_first_page(attacker: Any) -> None:
    attacker.ground.make("giant", size=300 * 1024 * 1024)
    page = await attacker.call("fs_read", path="giant", **{"as": "text"})
    assert not page.is_error
    facts = page.meta["files/pages"][0]
    assert facts["truncated"] == "bytes"
    assert facts["next"] == {"offset": 65536}
    assert len(page.text) < 100_000
    whole = await attacker.call("fs_read", path="giant")
    assert "resource_link" in whole.kinds
    assert (await attacker.call("fs_search", query="x")).structured["skipped"]["large"] == 1
    assert (await attacker.call("fs_write", path="giant", content="x", mode="append")).structured["bytes"] == 1
    assert (await attacker.call("fs_edit", path="giant", edits=[{"old": "a", "new": "b"}])).code == "too_large"
    await attacker.works()


async def test_f28_a_giant_picture_is_a_link(attacker: Any) -> None:
    attacker.ground.make("giant.png", b"\x89PNG\r\n\x1a\n", 314_572_800)
    answer = await attacker.call("fs_read", path="giant.png", **{"as": "image"})
    assert answer.code == "too_large"
    assert "314572800 > 5000000" in answer.text
    assert "resource_link" in (await attacker.call("fs_read", path="giant.png")).kinds
    await attacker.works()


async def test_a_giant_line_comes_in_pieces(attacker: Any) -> None:
    (attacker.ground.root / "line.json").write_text("x" * 3_000_000)
    page = await attacker.call("fs_read", path="line.json")
    assert page.meta["files/pages"][0]["next"] == {"offset": 65536}
    found = await attacker.call("fs_search", query="xxx")
    assert len(found.text) < 2000


async def test_f34_loops_of_links_are_not_followed(attacker: Any) -> None:
    (attacker.ground.root / "sub" / "loop").symlink_to("..")
    listing = await attacker.call("fs_list", depth=8)
    assert not [entry for entry in listing.structured["entries"] if "loop/" in entry["path"]]
    found = await attacker.call("fs_search", query="fine")
    assert len(found.structured["matches"]) == 1


async def test_a_very_deep_tree_ends_somewhere(attacker: Any) -> None:
    here = os.open(attacker.ground.root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert not (await attacker.call("fs_search", query="fine")).is_error
    assert not (await attacker.call("fs_delete", path="d", recursive=True)).is_error
    await attacker.works()


async def test_a_folder_of_very_many_files_is_listed_in_pages(attacker: Any) -> None:
    crowd = attacker.ground.root / "crowd"
    crowd.mkdir()
    for number in range(3000):
        (crowd / f"{number:05}").touch()
    page = await attacker.call("fs_list", path="crowd")
    assert (len(page.structured["entries"]), page.structured["truncated"]) == (200, "entries")


@pytest.mark.parametrize("kind", ["dir", "file"])
async def test_what_may_not_be_touched_by_this_user_is_an_error_not_a_crash(attacker: Any, kind: str) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may touch everything")
    target = attacker.ground.root / "closed"
    target.mkdir() if kind == "dir" else target.touch()
    target.chmod(0)
    assert (await attacker.call("fs_list" if kind == "dir" else "fs_read", path="closed")).code == "denied"
    await attacker.works()
