"""Our servers, used by the clients that people have: each by stdio and by HTTP."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from benchmarks.foreign import Missing, node, npm_package, npm_program, python_of
from tests.interop import stories
from tests.interop.stories import Story
from tests.journeys.stage import pages
from tests.servers.suite.running import HOUSE, PATIENCE, served

HERE = Path(__file__).parent
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


@pytest.fixture(scope="module", params=["files", "database", "fetch"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Story]:
    folder = tmp_path_factory.mktemp("served")
    if request.param != "fetch":
        yield {"files": stories.files, "database": stories.database}[request.param](folder)
        return
    (folder / "page.html").write_text('<meta charset="utf-8"><p>Ünïcödé</p><a href="https://example.com/">more</a>')
    with pages(folder) as base:
        yield stories.fetch(f"{base}/page.html")


@pytest.fixture(scope="module")
def url(story: Story) -> Generator[str]:
    with served([*story.command, "--http", "127.0.0.1:0"]) as server:
        yield server.url()


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, story: Story, url: str) -> Target:
    return list(story.command) if request.param == "stdio" else url


def task(target: Target, story: Story) -> str:
    """Return what the clients in other languages and versions are told to do."""
    return json.dumps({"target": target, "calls": story.calls})


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


def test_a_client_of_the_python_sdk_1(target: Target, story: Story) -> None:
    python = foreign(python_of, "mcp-1.26")
    done = run([python, str(HERE / "old_client.py"), task(target, story)])
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    story.check(seen)
    assert seen["protocol"] == "2025-11-25"


def text(result: CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("mode", "era"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
async def test_a_client_of_the_python_sdk_2(target: Target, story: Story, mode: str, era: str) -> None:
    server = target if isinstance(target, str) else StdioServerParameters(command=target[0], args=target[1:], cwd=HOUSE)
    with anyio.fail_after(PATIENCE):
        async with Client(server, mode=mode) as client:
            results = [await client.call_tool(name, dict(arguments)) for name, arguments in story.calls]
            tools = [tool.name for tool in (await client.list_tools()).tools]
            assert client.protocol_version == era
    story.check(
        {"tools": tools, "results": [[text(each), each.structured_content, each.is_error or False] for each in results]}
    )


def test_a_client_of_the_typescript_sdk(target: Target, story: Story) -> None:
    sdk = foreign(npm_package, "typescript-sdk")
    done = run([foreign(node), str(HERE / "typescript_client.mjs"), str(sdk), task(target, story)])
    assert done.returncode == 0, done.stderr
    story.check(json.loads(done.stdout))


def inspect(target: Target, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    inspector = foreign(npm_program, "inspector", "clients/launcher/build/index.js")
    where = [target, "--transport", "http"] if isinstance(target, str) else target
    return run([*inspector, "--cli", *where, *options], HOME=str(home))


def test_the_inspector(target: Target, story: Story, tmp_path: Path) -> None:
    listing = inspect(target, tmp_path, "--method", "tools/list", "--strict")
    assert listing.returncode == 0, listing.stderr
    assert {tool["name"] for tool in json.loads(listing.stdout)["tools"]} >= story.tools
    name, arguments = story.calls[0]
    options = [word for key, value in arguments.items() for word in ("--tool-arg", f"{key}={value}")]
    called = inspect(target, tmp_path, "--method", "tools/call", "--tool-name", name, *options)
    assert called.returncode == 0, called.stderr
    assert story.words[0] in json.loads(called.stdout)["content"][0]["text"]
