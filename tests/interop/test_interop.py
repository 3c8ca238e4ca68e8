"""The files server, used by the clients that people have: each by stdio and by HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from benchmarks.foreign import Missing, node, npm_package, npm_program, python_of
from tests.servers.suite.running import HOUSE, PATIENCE, served

HERE = Path(__file__).parent
TEXT = "Ünïcödé — first line\nsecond line\n"
Target = str | list[str]
"""A URL, or the command of a stdio server."""
T = TypeVar("T")


def foreign(get: Callable[..., T], *names: str) -> T:
    """Return what `get` installs; where that cannot be, skip, and fail where everything must be."""
    try:
        return get(*names)
    except Missing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    return [sys.executable, "-m", "servers.files", str(folder)]


@pytest.fixture(scope="module")
def url(command: list[str]) -> Generator[str]:
    with served([*command, "--http", "127.0.0.1:0"]) as server:
        yield server.url()


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, command: list[str], url: str) -> Target:
    return command if request.param == "stdio" else url


def run(command: Sequence[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a client to its end; it inherits our environment and starts in the project, as `python -m` needs."""
    return subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        cwd=HOUSE,
        env={**os.environ, **environment},
    )


def expect(seen: dict[str, Any]) -> None:
    assert {"fs_list", "fs_read", "fs_search", "fs_info"} <= set(seen["tools"])
    assert "Ünïcödé — first line" in seen["text"]
    assert [entry["path"].endswith("a.txt") for entry in seen["listed"]["entries"]] == [True]
    failed, text = seen["missing"]
    assert failed
    assert text.startswith("not_found: ")


def test_a_client_of_the_python_sdk_1(target: Target) -> None:
    python = foreign(python_of, "mcp-1.26")
    done = run([python, str(HERE / "old_client.py"), json.dumps(target)])
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    expect(seen)
    assert seen["protocol"] == "2025-11-25"


def text(result: CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("mode", "era"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
async def test_a_client_of_the_python_sdk_2(target: Target, mode: str, era: str) -> None:
    server = target if isinstance(target, str) else StdioServerParameters(command=target[0], args=target[1:], cwd=HOUSE)
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            missing = await client.call_tool("fs_read", {"path": "missing.txt"})
            listed = await client.call_tool("fs_list", {"path": "."})
            seen = {
                "tools": [tool.name for tool in (await client.list_tools()).tools],
                "text": text(await client.call_tool("fs_read", {"path": "a.txt"})),
                "listed": listed.structured_content,
                "missing": [missing.is_error, text(missing)],
            }
            assert client.protocol_version == era
    expect(seen)


def test_a_client_of_the_typescript_sdk(target: Target) -> None:
    sdk = foreign(npm_package, "typescript-sdk")
    done = run([foreign(node), str(HERE / "typescript_client.mjs"), str(sdk), json.dumps(target)])
    assert done.returncode == 0, done.stderr
    expect(json.loads(done.stdout))


def inspect(target: Target, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    inspector = foreign(npm_program, "inspector", "clients/launcher/build/index.js")
    where = [target, "--transport", "http"] if isinstance(target, str) else target
    return run([*inspector, "--cli", *where, *options], HOME=str(home))


def test_the_inspector(target: Target, tmp_path: Path) -> None:
    listing = inspect(target, tmp_path, "--method", "tools/list", "--strict")
    assert listing.returncode == 0, listing.stderr
    assert {tool["name"] for tool in json.loads(listing.stdout)["tools"]} >= {"fs_list", "fs_read"}
    called = inspect(target, tmp_path, "--method", "tools/call", "--tool-name", "fs_read", "--tool-arg", "path=a.txt")
    assert called.returncode == 0, called.stderr
    assert "Ünïcödé — first line" in json.loads(called.stdout)["content"][0]["text"]
