from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import config
from orchestrator.errors import ConfigError

NO_ENV: dict[str, str] = {}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The user's own folders, empty."""
    return {"ORCHESTRATOR_DATA_DIR": str(tmp_path / "data"), "ORCHESTRATOR_CONFIG_DIR": str(tmp_path / "user")}


def written(folder: Path, text: str, name: str = "orchestrator.json") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def refusal(folder: Path, text: str, env: dict[str, str]) -> str:
    written(folder, text)
    with pytest.raises(ConfigError) as caught:
        config.load(None, cwd=folder, env=env)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_without_any_file_three_servers_on_this_folder_are_configured(tmp_path: Path, env: dict[str, str]) -> None:
    built_in = config.load(None, cwd=tmp_path, env=env)
    assert list(built_in.mcp_servers) == ["files", "database", "fetch"]
    assert all(server.command == sys.executable and server.suite for server in built_in.mcp_servers.values())
    assert built_in.mcp_servers["database"].args[-1] == str(tmp_path / "data" / "sample.db")
    assert (built_in.source, built_in.origin, built_in.needs_trust) == ("built-in default", "built-in", False)
    assert built_in.model.name == "claude-opus-5-5"


def test_the_first_file_in_the_search_order_counts(tmp_path: Path, env: dict[str, str]) -> None:
    def source() -> tuple[str, str]:
        found = config.load(None, cwd=tmp_path, env=env)
        return Path(found.source).name, found.origin

    written(tmp_path / "user", "{}")
    assert source() == ("orchestrator.json", "user")
    written(tmp_path, "{}", ".mcp.json")
    assert source() == (".mcp.json", "project")
    written(tmp_path, "{}")
    assert source() == ("orchestrator.json", "project")
    env["ORCHESTRATOR_CONFIG"] = str(written(tmp_path, "{}", "by-env.json"))
    assert source() == ("by-env.json", "named")
    named = config.load(written(tmp_path, "{}", "by-name.json"), cwd=tmp_path, env=env)
    assert Path(named.source).name == "by-name.json"


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"There is no config file .*nowhere\.json"):
        config.load(Path("nowhere.json"), cwd=tmp_path, env=env)


def test_the_file_of_another_host_is_read_as_it_is(tmp_path: Path, env: dict[str, str]) -> None:
    desktop = {
        "globalShortcut": "Ctrl+Space",
        "mcpServers": {
            "github": {"command": "npx", "args": ["-y", "server-github"], "env": {"TOKEN": "${GH:-none}"}},
            "remote": {"type": "streamable-http", "url": "https://example.com/mcp", "headers": {"X-A": "b"}},
        },
    }
    written(tmp_path, "\ufeff" + json.dumps(desktop), ".mcp.json")
    found = config.load(None, cwd=tmp_path, env=env)
    assert found.mcp_servers["github"].env == {"TOKEN": "none"}
    assert found.mcp_servers["remote"].type == "http"
    assert not found.mcp_servers["github"].suite


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ("${HOME_DIR}/x", "/home/ada/x"),
        ("${HOME_DIR:-/tmp}", "/home/ada"),
        ("${NOT_SET:-/tmp}/x", "/tmp/x"),
        ("${EMPTY:-filled}", "filled"),
        ("[${EMPTY}]", "[]"),
        ("$${HOME_DIR}", "${HOME_DIR}"),
        ("$HOME_DIR ${#array}", "$HOME_DIR ${#array}"),
    ],
)
def test_variables_are_filled_in(tmp_path: Path, env: dict[str, str], value: str, becomes: str) -> None:
    written(tmp_path, json.dumps({"mcpServers": {"a": {"command": "x", "args": [value]}}}))
    found = config.load(None, cwd=tmp_path, env=env | {"HOME_DIR": "/home/ada", "EMPTY": ""})
    assert found.mcp_servers["a"].args == (becomes,)


def test_a_missing_variable_names_file_line_key_and_itself(tmp_path: Path, env: dict[str, str]) -> None:
    text = '{"mcpServers": {\n "a": {"command": "x",\n  "env": {\n   "KEY": "${NOT_THERE}"}}}}'
    message = refusal(tmp_path, text, env)
    assert f"{tmp_path / 'orchestrator.json'}:4: mcpServers.a.env.KEY: " in message
    assert "NOT_THERE is not set" in message


def test_a_disabled_server_needs_no_variables(tmp_path: Path, env: dict[str, str]) -> None:
    written(tmp_path, '{"mcpServers": {"a": {"command": "${NOT_THERE}", "disabled": true}}}')
    assert config.load(None, cwd=tmp_path, env=env).mcp_servers["a"].disabled


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{"mcpServers": {\n "a": {\n  "comand": "x"}}}',
            ":3: mcpServers.a.comand: unknown key; did you mean 'command'?",
        ),
        ('{\n"limits": {"max_step": 3}}', ":2: limits.max_step: unknown key; did you mean 'max_steps'?"),
        ('{\n\n"servers": {}}', ":3: servers: unknown key; servers stand under 'mcpServers'"),
        ('{"mcp_servers": {}}', ":1: mcp_servers: unknown key; servers stand under 'mcpServers'"),
        ('{"fingerprint": "x"}', ":1: fingerprint: unknown key"),
        ('{"mcpServers": {\n"": {"command": "x"}}}', ":2: mcpServers.: a server needs a name"),
        ('{\n"model": {"name": ""}}', ":2: model.name: should not be empty"),
        ('{"context": {"a": 1}}', ":1: context.a: unknown key; nothing can be set here yet"),
        (
            '{"mcpServers": {"a": {"command": "x",\n"args": "y"}}}',
            ":2: mcpServers.a.args: should be a list, and is a string",
        ),
        ('{"mcpServers": {"a": {"command": "x", "args": [\n"y",\n5]}}}', ":3: mcpServers.a.args[1]: should be a valid"),
        (
            '{"mcpServers": {"a": {"command": "x", "args": [\n"y",\n{"b":\n[]}]}}}',
            ":3: mcpServers.a.args[1]: should be",
        ),
        ('{"mcpServers": {\n"a": {}}}', ":2: mcpServers.a: needs either 'command'"),
        ('{"mcpServers": {\n"a": {"command": "x", "url": "y"}}}', ":2: mcpServers.a: needs either 'command'"),
        ('{"mcpServers": {"a": {"type": "http", "command": "x"}}}', "type 'http' needs 'url'"),
        (
            '{"limits": {"max_steps":\n0}}',
            ":1: limits.max_steps: should be greater than or equal to 1, and is a number",
        ),
        (
            '{"mcpServers": {\n"a": {"command": "x"},\n"a": {"command": "y"}}}',
            ":2: mcpServers.a: appears again in line 3",
        ),
        ('{\n"model": {"name": "x",}\n}', ":2:23: this is not JSON"),
        ("[]", ":1: the file must be one JSON object"),
        ("", ":1:1: this is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"data_dir": 5}', "data_dir: should be"),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(
    tmp_path: Path, env: dict[str, str], text: str, says: str
) -> None:
    del env["ORCHESTRATOR_DATA_DIR"]
    message = refusal(tmp_path, text, env)
    assert says in message
    assert str(tmp_path / "orchestrator.json") in message


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path, env: dict[str, str]) -> None:
    (tmp_path / "orchestrator.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(None, cwd=tmp_path, env=env)


def test_an_error_never_shows_a_value(tmp_path: Path, env: dict[str, str]) -> None:
    text = '{"mcpServers": {"a": {"url": "x", "headers": {"Authorization": ["${SECRET}"]}}}}'
    assert "hunter2" not in refusal(tmp_path, text, env | {"SECRET": "hunter2"})


def test_only_a_file_that_came_with_the_folder_needs_trust(tmp_path: Path, env: dict[str, str]) -> None:
    file = written(tmp_path, '{"mcpServers": {"a": {"command": "x"}}}')
    assert config.load(None, cwd=tmp_path, env=env).needs_trust
    assert not config.load(file, cwd=tmp_path, env=env).needs_trust
    before = config.load(None, cwd=tmp_path, env=env).fingerprint
    written(tmp_path, '{"mcpServers": {"a": {"command": "y"}}}')
    assert config.load(None, cwd=tmp_path, env=env).fingerprint != before


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ('{"model": {"base_url": "http://elsewhere"}}', True),
        ('{"data_dir": "here"}', True),
        ('{"mcpServers": {"a": {"url": "http://elsewhere"}}}', True),
        ('{"mcpServers": {"a": {"command": "x", "disabled": true}}, "limits": {"max_steps": 3}}', False),
    ],
)
def test_what_starts_programs_or_sends_data_needs_trust(
    tmp_path: Path, env: dict[str, str], text: str, needs: bool
) -> None:
    written(tmp_path, text)
    assert config.load(None, cwd=tmp_path, env=env).needs_trust is needs


def test_folders_are_seen_from_the_file_and_the_environment_goes_first(tmp_path: Path, env: dict[str, str]) -> None:
    folder = tmp_path / "project"
    text = '{"data_dir": "kept", "mcpServers": {"a": {"command": "x", "cwd": "sub"}}}'
    file = written(folder, text)
    assert config.load(file, cwd=tmp_path, env=env).data_dir == tmp_path / "data"
    found = config.load(file, cwd=tmp_path, env=NO_ENV)
    assert found.data_dir == folder / "kept"
    assert found.mcp_servers["a"].cwd == str(folder / "sub")


@pytest.mark.parametrize(
    ("command", "args", "suite"),
    [
        ("mcp-files", (".",), True),
        ("/opt/bin/mcp-fetch", (), True),
        (sys.executable, ("-m", "servers.files", "."), True),
        ("python3", ("-P", "-m", "servers.database"), True),
        ("python3", ("-m",), False),
        ("python3", ("-m", "servers.files.evil.deep"), False),
        ("python3", ("server.py", "-m", "servers.files"), False),
        ("npx", ("-m", "servers.files"), False),
    ],
)
def test_the_servers_of_the_suite_are_recognised(command: str, args: tuple[str, ...], suite: bool) -> None:
    assert config.ServerConfig(command=command, args=args).suite is suite


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner))


@given(values=st.dictionaries(st.text(max_size=5), VALUES, max_size=5))
def test_every_key_and_item_of_any_file_knows_the_line_it_stands_in(values: dict[str, object]) -> None:
    text = json.dumps(values, indent=1)
    sheet = config.Sheet(Path("x.json"), text)
    rows = text.split("\n")

    def check(value: object, path: tuple[str | int, ...]) -> None:
        if path:
            row = rows[sheet.lines[path] - 1].strip()
            start = json.dumps(path[-1]) + ":" if isinstance(path[-1], str) else json.dumps(value)[:1]
            assert row.startswith(start)
        if isinstance(value, dict):
            for key, inner in value.items():
                check(inner, (*path, key))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                check(inner, (*path, number))

    check(values, ())
