"""What is wrong is named, with its place and the next step; what is right goes on working."""

from __future__ import annotations

import sys

import pytest

from tests.journeys.stage import Desk


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ('{\n  "mcpServers": {\n    "a": {"comand": "x"}\n  }\n}', ("orchestrator.json:3", "comand", "command")),
        ('{\n  "mcpServers": {},\n  "limit": 3\n}', ("orchestrator.json:3", "limit")),
        ('{"mcpServers": {"a": {"command": "x",\n "env": {"T": "${NO_SUCH}"}}}}', (":2", "NO_SUCH")),
        ('{"mcpServers": {\n  "a": \n}', ("orchestrator.json:3", "not JSON")),
        ('{"mcpServers": {"a": {\n"command": 5}}}', (":2", "command", "string")),
    ],
    ids=["unknown key", "unknown section", "missing variable", "malformed", "wrong type"],
)
def test_a_config_that_cannot_be_used_is_named_by_file_line_and_key(desk: Desk, config: str, named: tuple[str]) -> None:
    path = desk.home / "orchestrator.json"
    path.write_text(config)
    done = desk.run("--config", str(path), "ask", "hello")
    assert done.code == 2, done
    for word in named:
        assert word in done.err, (word, done)
    assert "Traceback" not in done.err


def test_a_server_that_cannot_start_is_reported_and_the_others_work(desk: Desk) -> None:
    broken = {"command": sys.executable, "args": ["-c", "import sys; sys.exit('the licence file is missing')"]}
    files = {"command": sys.executable, "args": ["-P", "-m", "servers.files", "."]}
    config = desk.configure({"broken": broken, "files": files}, limits={"start_seconds": 30})
    done = desk.run("--config", config, "chat", said="list the files here\n")
    assert done.code == 0, done
    assert "prices.csv" in done.out, done
    report = done.out + done.err
    for word in ("broken", "the licence file is missing", sys.executable, "1"):
        assert word in report, (word, done)


def test_an_empty_message_is_refused_without_a_request(desk: Desk) -> None:
    done = desk.run("ask", "  \n ", env={"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "k"})
    assert done.code == 2, done
    assert "empty" in done.err


def test_no_key_and_no_working_server_still_brings_the_chat_up(desk: Desk) -> None:
    config = desk.configure({"gone": {"command": "no-such-program-anywhere"}})
    done = desk.run("--config", config, "chat", said="hello\n")
    assert done.code == 0, done
    assert "no-such-program-anywhere" in done.out + done.err
    assert "simulator" in done.out
