"""What the pages say is so: links lead somewhere, examples run, the terminal shows what the README shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from orchestrator.config import load
from servers.database import server as database
from servers.files import server as files
from servers.serving import parser

HOUSE = Path(__file__).parent.parent
README = (HOUSE / "README.md").read_text(encoding="utf-8")
PAGES = [HOUSE / "README.md", *sorted((HOUSE / "docs").glob("*.md"))]
BIN = Path(sys.executable).parent


def block(after: str, language: str) -> str:
    """Return the code block of README.md that follows this comment."""
    found = re.search(rf"<!-- {after}.*?-->\n```{language}\n(.*?)```", README, re.DOTALL)
    assert found, f"README.md has no {language} block after <!-- {after} -->"
    return found[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_json_example_is_json(page: Path) -> None:
    for example in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        json.loads(example)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_config_example_is_one_that_the_program_takes(page: Path, tmp_path: Path) -> None:
    for example in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        if "mcpServers" in json.loads(example):
            file = tmp_path / "orchestrator.json"
            file.write_text(example)
            env = dict.fromkeys(re.findall(r"\$\{(\w+)", example), "x")
            assert load(file, cwd=tmp_path, env=env).mcp_servers


CLIENTS = ["Claude Desktop", "Claude Code", "VS Code", "Cursor", "Docker"]


@pytest.mark.parametrize("client", CLIENTS)
def test_each_clients_snippet_names_a_program_of_ours_with_options_that_it_takes(client: str, tmp_path: Path) -> None:
    snippet = json.loads(block(f"client: {client}", "json"))
    (servers,) = snippet.values()
    assert list(snippet) == ["servers" if client == "VS Code" else "mcpServers"]
    for server in servers.values():
        words = [server["command"], *server["args"]]
        if client == "Docker":
            assert words[:4] == ["docker", "run", "-i", "--rm"]
            words = words[words.index("mcp-orchestrator") + 1 :]
        program = {"mcp-files": files.PROGRAM, "mcp-database": database.PROGRAM}[words[0]]
        options = parser(program).parse_args(words[1:])
        assert not options.http


def test_the_http_snippet_is_a_config_that_we_take_ourselves(tmp_path: Path) -> None:
    file = tmp_path / "orchestrator.json"
    file.write_text(block("client: HTTP", "json"))
    server = load(file, cwd=tmp_path, env={"MCP_TOKEN": "t"}).mcp_servers["files"]
    assert (server.type, server.headers) == ("http", {"Authorization": "Bearer t"})


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["files", "database", "fetch"])
async def test_the_servers_that_the_readme_shows_start_exactly_so(name: str, tmp_path: Path) -> None:
    shown = json.loads(block("servers", "json"))["mcpServers"][name]
    env = {
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "XDG_DATA_HOME": str(tmp_path),
    }
    command = shutil.which(shown["command"], path=env["PATH"])
    assert command, f"{shown['command']} is not installed"
    params = StdioServerParameters(command=command, args=shown["args"], env=env, cwd=tmp_path)
    with anyio.fail_after(60):
        async with Client(params) as client:
            assert (await client.list_tools()).tools


def test_a_newcomer_sees_what_the_readme_shows(tmp_path: Path) -> None:
    command, *shown = block("transcript", "console").splitlines()
    said = re.search(r'echo "(.*)" \|', command)
    assert said
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "ORCHESTRATOR"))}
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "chat"],
        cwd=HOUSE,
        env=clean | {"ORCHESTRATOR_DATA_DIR": str(tmp_path), "COLUMNS": "120"},
        input=said[1] + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = [measured(line) for line in (done.stdout + done.stderr).splitlines()]
    assert [line for line in shown if measured(line) not in seen] == []


def measured(line: str) -> str:
    """Return the line without its counts and seconds, which differ from one machine and day to the next."""
    return re.sub(r"\d+(\.\d+)?s?", "N", line)


@pytest.mark.parametrize("target", ["chat", "test", "check", "bench"])
def test_every_make_target_of_the_readme_exists(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (HOUSE / "Makefile").read_text(), re.MULTILINE)


def test_no_address_of_a_registry_and_no_path_of_a_machine_is_committed() -> None:
    words = ["python" + "hosted.org", "pypi.org" + "/simple", "registry." + "npmjs", "deb.debian" + ".org"]
    tracked = subprocess.run(["git", "ls-files"], cwd=HOUSE, capture_output=True, text=True, check=True).stdout.split()
    assert not {"uv.lock", "package-lock.json"} & {Path(name).name for name in tracked}
    for name in tracked:
        text = (HOUSE / name).read_bytes() if (HOUSE / name).is_file() else b""
        assert not [word for word in words if word.encode() in text], name
