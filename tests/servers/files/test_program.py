"""The files server as a program: what it serves, what it refuses to serve, and that it tells of changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPDeprecationWarning
from mcp.types import ResourceUpdatedNotification

from servers.files.roots import BadRoot, parse_root, parse_roots
from servers.files.server import build
from tests.servers.files.talking import HOUSE, over_stdio, tree

pytestmark = pytest.mark.anyio


def run(*arguments: str, cwd: Path = HOUSE, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "servers.files", *arguments],
        cwd=cwd, input="", capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(HOUSE), **environment},
    )  # fmt: skip


def test_the_program_refuses_what_holds_everything_in_one_sentence(tmp_path: Path) -> None:
    for asked, cwd, said in (
        (["/"], HOUSE, "the whole machine"),
        ([], tmp_path, "the home folder"),
        ([str(tmp_path / "nothing")], HOUSE, "No folder at"),
    ):
        done = run(*asked, cwd=cwd, HOME=str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "path", ["/", "~", "/home", "/Users", "/etc", "/proc", "/proc/self", "/dev", "/sys/kernel", "/nowhere"]
)
def test_a_folder_that_holds_too_much_is_not_served(path: str) -> None:
    for text in (path, f"all={path}", f"{path}:rw", f"{path}/."):
        with pytest.raises(BadRoot, match=r"Will not serve|No folder"):
            parse_root(text)


def test_a_link_to_what_holds_everything_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(BadRoot, match="the whole machine"):
        parse_root(str(tmp_path / "link"))


async def test_without_a_folder_the_current_one_is_served_for_reading(tmp_path: Path) -> None:
    from mcp import StdioServerParameters

    tree(tmp_path, {"here.txt": "here\n"})
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "servers.files"], cwd=tmp_path, env={"PYTHONPATH": str(HOUSE)}
    )
    with anyio.fail_after(30):
        async with Client(command) as client:
            result = await client.call_tool("fs_list", {})
            assert [entry["path"] for entry in (result.structured_content or {})["entries"]] == ["here.txt"]
            assert len((await client.list_tools()).tools) == 4


def test_check_prints_the_posture_without_serving(tmp_path: Path) -> None:
    done = run("--check", f"docs={tmp_path}:rw")
    assert done.returncode == 0, done.stderr
    posture = json.loads(done.stdout)
    assert posture["own"]["folders"] == [{"name": "docs", "writable": True}]
    assert posture["own"]["boundary"] in ("openat2", "walk")
    assert posture["writing_tools"] == ["fs_write", "fs_edit", "fs_move", "fs_delete"]
    assert str(tmp_path) not in done.stdout


@pytest.mark.parametrize("option", ["--token-file", "--state-key-file"])
def test_a_folder_that_holds_a_secret_of_the_server_is_not_served(tmp_path: Path, option: str) -> None:
    tree(tmp_path, {"docs/a/secret": "k" * 40 + "\n", "docs/b/x": ""})
    (tmp_path / "link").symlink_to(tmp_path / "docs" / "a" / "secret")
    for secret in (tmp_path / "docs" / "a" / "secret", tmp_path / "link"):
        done = run(str(tmp_path / "docs"), option, str(secret))
        assert (done.returncode, done.stdout) == (2, "")
        assert "a secret of this server: keep it elsewhere." in done.stderr
    assert run("--check", str(tmp_path / "docs" / "b"), option, str(secret)).returncode == 0


def test_a_quota_below_nothing_is_refused(tmp_path: Path) -> None:
    assert run(str(tmp_path), "--quota", "-1").returncode == 2


@pytest.mark.parametrize(
    ("text", "name", "writable"),
    [("{0}", "here", False), ("{0}:rw", "here", True), ("x={0}:ro", "x", False), ("a-b_1={0}:rw", "a-b_1", True)],
)
def test_a_root_is_written_as_name_path_and_mode(tmp_path: Path, text: str, name: str, writable: bool) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    root = parse_root(text.format(folder))
    assert (root.name, root.path, root.writable) == (name, str(folder.resolve()), writable)


def test_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRoot, match="other=a"):
        parse_roots([f"a={tmp_path}", f"a={tmp_path}"])


async def test_changes_are_told_to_those_who_listen_or_subscribed(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", reason="watching needs the package watchfiles")
    tree(tmp_path, {"a b.txt": "0", "other.txt": "0"})
    uri = "files://home/a%20b.txt"

    async def change() -> None:
        for number in range(1000):  # the watcher begins some time after the server does
            (tmp_path / "a b.txt").write_text(str(number))
            (tmp_path / "other.txt").write_text(str(number))
            await anyio.sleep(0.05)

    async with Client(build([f"home={tmp_path}"], watch=True)) as client:
        with anyio.fail_after(30):
            async with client.listen(resource_subscriptions=[uri]) as news, anyio.create_task_group() as tasks:
                tasks.start_soon(change)
                async for event in news:
                    assert getattr(event, "uri", "") == uri
                    break
                tasks.cancel_scope.cancel()

    told = anyio.Event()

    async def heard(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            assert message.params.uri == uri
            told.set()

    async with Client(build([f"home={tmp_path}"], watch=True), mode="legacy", message_handler=heard) as client:
        with anyio.fail_after(30), warnings.catch_warnings():
            warnings.simplefilter("ignore", MCPDeprecationWarning)
            await client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]  # the era under test
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(change)
                await told.wait()
                tasks.cancel_scope.cancel()
            await client.unsubscribe_resource(uri)  # pyright: ignore[reportDeprecated]


def test_standard_output_carries_nothing_but_the_protocol(tmp_path: Path) -> None:
    tree(tmp_path, {"a.pdf": b"%PDF-1.4\nbroken", ".gitignore": "[\n", "t": b"\xff\xfe\xfd"})
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    calls = [{"name": "fs_read", "arguments": {"path": path}} for path in ("a.pdf", "t", "nothing")]
    messages = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        *(
            {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": each}
            for number, each in enumerate(calls, 1)
        ),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "servers.files", str(tmp_path)],
        cwd=HOUSE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        process.stdin.flush()
        ids = {json.loads(process.stdout.readline())["id"] for _ in range(4)}
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (ids, out) == ({0, 1, 2, 3}, "")


async def test_a_cancelled_search_stops_working(tmp_path: Path) -> None:
    tree(tmp_path, {f"{number}.txt": "abc\n" * 200_000 for number in range(30)})
    async with over_stdio(str(tmp_path)) as talk:
        with anyio.move_on_after(0.3):
            await talk.client.call_tool("fs_search", {"query": "(a|b|c)*x", "regex": True})
        with anyio.fail_after(10):
            assert (await talk.data("fs_list", limit=1))["truncated"] == "entries"
