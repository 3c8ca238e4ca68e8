"""Several servers behind one port."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client

from tests.servers.suite.running import HOUSE, PATIENCE, served

TWO = (sys.executable, str(Path(__file__).with_name("two.py")))


def suite(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "servers.suite", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=HOUSE)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_each_server_has_a_path_of_its_own(tmp_path: Path, mode: str) -> None:
    (tmp_path / "right").mkdir()
    with served([*TWO, str(tmp_path), "--http", "127.0.0.1:0"]) as running, anyio.fail_after(PATIENCE):
        for name in ("left", "right"):
            async with Client(running.url(name), mode=mode) as client:
                assert not (await client.call_tool("wait", {"seconds": 0, "name": name})).is_error
        ready = httpx2.get(f"{running.base()}/readyz", timeout=PATIENCE).json()
        assert running.stop() == 0
        audits = [json.loads(line) for line in running.lines if line.startswith('{"audit"')]
    assert ready == {"status": "ready", "servers": ["left", "right"]}
    assert [line["server"] for line in audits] == ["left", "right"]
    assert (tmp_path / "left-started").exists()
    assert (tmp_path / "right" / "right-started").exists()
    assert (tmp_path / "closed").exists()
    assert (tmp_path / "right" / "closed").exists()


def test_standard_input_has_room_for_one(tmp_path: Path) -> None:
    (tmp_path / "right").mkdir()
    done = subprocess.run([*TWO, str(tmp_path)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mcp-suite: several servers need --http HOST:PORT; standard input has room for one.\n"


def test_the_posture_of_several_servers_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "right").mkdir()
    command = [*TWO, str(tmp_path), "--http", "127.0.0.1:0", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0
    assert [each["server"] for each in json.loads(done.stdout)] == ["left", "right"]


def test_a_server_that_does_not_exist_is_named() -> None:
    done = suite("nonsense=")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mcp-suite: there is no server 'nonsense'; there are files, database, fetch.\n"


def test_without_a_server_there_is_nothing_to_serve() -> None:
    assert suite().returncode == 2


@pytest.mark.anyio
async def test_the_three_servers_stand_behind_one_port(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE note (text)")
    parts = [f"files={tmp_path}", f"database={tmp_path / 'a.db'}", "fetch="]
    command = [sys.executable, "-m", "servers.suite", "--http", "127.0.0.1:0", *parts]
    with served(command) as running, anyio.fail_after(2 * PATIENCE):
        names: set[str] = set()
        for name in ("files", "database", "fetch"):
            async with Client(running.url(name)) as client:
                names |= {tool.name.partition("_")[0] for tool in (await client.list_tools()).tools}
    assert names == {"fs", "db", "web"}


def test_a_server_named_twice_is_refused() -> None:
    done = suite("fetch=", "fetch=")
    assert (done.returncode, done.stderr) == (2, "mcp-suite: a server is named twice; give all its options at once.\n")


@pytest.mark.parametrize("part", ["files='/srv", 'files="--root'])
def test_options_with_an_open_quote_are_refused_in_a_sentence(part: str) -> None:
    served_so, checked = suite(part), suite("--check", part)
    said = "the options of files cannot be read: no closing quotation. Quote them as in a shell."
    assert (served_so.returncode, served_so.stdout, served_so.stderr) == (2, "", f"mcp-suite: {said}\n")
    refusal = {"server": "mcp-suite", "ok": False, "refused": said}
    assert (checked.returncode, json.loads(checked.stdout)) == (1, refusal)


def test_the_file_with_the_tokens_is_not_among_the_files(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tokens").write_text("a-token-of-the-operator\n")
    done = suite("--http", "127.0.0.1:0", "--token-file", str(tmp_path / "docs" / "tokens"), f"files={tmp_path}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds 'tokens', a secret of this server" in done.stderr
