"""Real processes, pipes instead of a terminal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from orchestrator.cli.failing import told
from orchestrator.cli.main import main
from orchestrator.errors import NotFound, ServerMissing
from tests.orchestrator.cli.desk import CommandLine

BREW = '/call tea__brew {"kind": "assam"}'


def test_a_script_gets_the_outcome_as_json_and_5_if_nobody_could_be_asked(desk: CommandLine) -> None:
    code, out, _ = desk.run("ask", BREW, "--json")
    outcome = json.loads(out)
    assert code == outcome["exit_code"] == 5
    assert outcome["denied"] == ["tea__brew"]
    assert outcome["simulated"] is True
    assert outcome["calls"][0]["is_error"] is True
    assert "--allow tea__brew" in outcome["calls"][0]["result"]


def test_what_the_command_line_allows_runs_and_what_it_denies_never_does(desk: CommandLine) -> None:
    code, out, err = desk.run("ask", BREW, "--allow", "tea__b*")
    assert code == 0, (out, err)
    assert "brewed assam" in out
    assert "● tea__brew kind=assam" in err
    assert "tea__brew" not in out.replace("`tea__brew`", ""), "rows go to stderr, words to stdout"
    assert "simulator" in err, "who answers is said"
    code, out, err = desk.run("ask", BREW, "--yes", "--deny", "tea__brew")
    assert (code, "brewed" in out) == (0, False), (out, err)


def test_the_events_of_a_turn_stream_as_lines_of_json_and_can_be_looked_up_later(desk: CommandLine) -> None:
    code, out, _ = desk.run("ask", BREW, "--stream-json", "--yes")
    *events, outcome = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    kinds = [event["event"]["type"] for event in events]
    assert kinds[0] == "turn_started"
    assert kinds[-1] == "turn_finished"
    assert "text_delta" in kinds
    assert outcome["type"] == "outcome"
    code, out, _ = desk.run("conversations", "list")
    assert out.startswith(outcome["conversation_id"])
    code, out, _ = desk.run("conversations", "show", outcome["conversation_id"][:6])
    for words in (
        "> /call tea__brew",
        "asked: ",
        "allowed by the user",
        "● tea__brew kind=assam",
        "✓ tea__brew",
        "tokens",
    ):
        assert words in out, (words, out)


def test_lines_on_a_pipe_are_messages_until_one_says_quit(desk: CommandLine) -> None:
    said = f"\n{BREW}\n\n/servers\n/quit\nnever sent\n"
    code, out, err = desk.run("--allow", "*", said=said)
    assert code == 0, (out, err)
    assert out.index("brewed assam") < out.index("✓ tea (required)  ready")
    assert "\x1b" not in out
    assert "> " not in out.splitlines()[-1]
    assert "never sent" not in out
    code, out, _ = desk.run("chat", "--resume", "last", said="/retry\n")
    assert code == 0
    assert f"> {BREW}" in out, "what was said so far is shown"
    assert "Nothing is unfinished" in out


def test_a_piped_chat_stops_at_the_first_failure_with_its_exit_code(desk: CommandLine) -> None:
    nowhere = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "sk-ant-not-a-key"}
    code, out, err = desk.run("chat", said="first\nsecond\n", **nowhere)
    assert code == 3, (out, err)
    assert out.count("Your message is kept") == 1
    assert "127.0.0.1:9" in out
    assert "simulator" not in out
    assert "second" not in desk.run("conversations", "show", "last")[1]


def test_a_turn_that_costs_more_than_it_may_ends_with_6_and_can_be_gone_on_with(desk: CommandLine) -> None:
    with desk.start("simulate", "--port", "0") as simulator:
        assert simulator.stdout is not None
        url = re.search(r"http://\S+\d", simulator.stdout.readline().decode())
        assert url
        elsewhere = {"ANTHROPIC_BASE_URL": url[0], "ANTHROPIC_API_KEY": "simulator"}
        code, out, err = desk.run("ask", BREW, "--yes", "--max-cost", "0.0001", **elsewhere)
        assert code == 6, (out, err)
        assert re.search(r"! The turn cost \$0\.00\d\d; limits\.max_cost allows \$0\.0001\.", err), err
        assert "No price is known" not in err
        assert "brewed assam" not in out, "no further answer was paid for"
        code, out, err = desk.run("ask", "--resume", "last", "--max-cost", "1", **elsewhere)
        assert code == 0, (out, err)
        assert "brewed assam" in out
        assert "$0.0" in desk.run("usage")[1]
        simulator.terminate()
        simulator.stdout.read()
        simulator.wait(30)


def test_a_limit_in_dollars_that_stops_nothing_is_said_to(desk: CommandLine) -> None:
    code, out, err = desk.run("ask", "hello", "--max-cost", "1")
    assert code == 0, (out, err)
    assert "! No price is known for the simulator, so a limit of $1.00 stops nothing.\n" in err
    code, out, err = desk.run("chat", "--max-cost", "1")
    assert (code, "so a limit of $1.00 stops nothing" in out) == (0, True), err


def test_a_message_for_a_turn_that_is_open_says_how_to_go_on(desk: CommandLine) -> None:
    with desk.start("ask", '/call tea__steep {"minutes": 3}', "--stream-json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"tool_started" in line:
                break
        code, _, err = desk.run("ask", "hello", "--resume", "last")
        assert (code, "is at work in another window." in err) == (2, True), err
        code, _, err = desk.run("conversations", "delete", "last", "--yes")
        assert (code, "--take-over" in err) == (2, True), err
        process.kill()
        process.stdout.read()
        process.wait(30)
    code, _, err = desk.run("ask", "hello", "--resume", "last")
    assert (code, "without a message, goes on with it." in err) == (2, True), err
    code, _, err = desk.run("ask", "--resume", "last", "--model", "claude-haiku-5")
    assert (code, "--model is for a new message." in err) == (2, True), err


def test_a_required_server_that_cannot_start_is_exit_4_before_anything_is_asked(desk: CommandLine) -> None:
    desk.configure(more={"gone": {"command": "no-such-program", "required": True}})
    code, out, err = desk.run("ask", "hello")
    assert (code, out) == (4, ""), err
    assert "gone" in err
    assert "no-such-program" in err
    code, out, err = desk.run("servers")
    assert code == 4
    assert "✓ tea (required)  ready · 3 tools" in out
    assert "✗ gone (required)  failed" in out


def test_tools_and_doctor_tell_what_is_there(desk: CommandLine) -> None:
    code, out, _ = desk.run("tools")
    assert code == 0
    assert out.splitlines()[0].startswith("tea__brew  [destroys]  Brew tea.")
    code, out, err = desk.run("doctor")
    assert code == 0, (out, err)
    for words in ("✓ Python", f"✓ config: {desk.config}", "✓ tea (required)  ready", "The simulator answers"):
        assert words in out
    code, out, _ = desk.run("doctor", ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert (code, "✗ model endpoint http://127.0.0.1:9: nothing answers" in out) == (3, True), out


def test_sigterm_leaves_at_once_and_the_turn_can_be_resumed(desk: CommandLine) -> None:
    process = desk.start("ask", '/call tea__steep {"minutes": 3}', "--stream-json")
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if b"tool_started" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert "(unfinished)" in desk.run("conversations", "list")[1]


def test_a_reader_that_leaves_early_is_no_failure_of_ours(desk: CommandLine) -> None:
    with desk.start("ask", BREW, "--stream-json", stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read().decode()
        process.wait(30)
    assert "Traceback" not in err, err
    assert "failed" not in err, err


def test_a_project_file_is_obeyed_only_once_it_is_trusted(
    desk: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.home / ".mcp.json").write_text('{"mcpServers": {"a": {"command": "x", "env": {"KEY": "hunter2"}}}}')
    monkeypatch.chdir(desk.home)
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(desk.home / "data"))
    assert main(["servers"]) == 2
    assert "config trust" in capsys.readouterr().err
    assert main(["config", "check"]) == 0
    assert "not trusted yet" in capsys.readouterr().out
    assert main(["config", "show"]) == 0
    assert "hunter2" not in capsys.readouterr().out
    assert main(["config", "trust"]) == 0
    assert "a: starts x" in capsys.readouterr().out
    assert main(["config", "check"]) == 0
    assert "not trusted" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["ask", "--frobnicate"], "No such option"),
        (["conversations", "show", "nobody"], "There is no conversation 'nobody'."),
        (["--config", "nowhere.json", "ask", "x"], "There is no config file"),
        (["ask", "x", "--config", "nowhere.json"], "There is no config file"),
    ],
)
def test_what_cannot_be_done_is_exit_2_and_one_message(
    desk: CommandLine, words: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(desk.home / "data"))
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(desk.config))
    assert main(words) == 2
    assert says in capsys.readouterr().err


def test_a_bug_is_one_sentence_and_its_traceback_is_in_the_log(
    desk: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(desk.home / "data"))
    assert told(ExceptionGroup("tasks", [ZeroDivisionError("key sk-ant-abcdefghijk")])) == 1
    message = capsys.readouterr().err
    log = desk.home / "data" / "logs" / "orchestrator.log"
    assert message == f"! This program failed (ZeroDivisionError); the details are in {log}.\n"
    assert "ZeroDivisionError" in log.read_text()
    assert "sk-ant-abcdefghijk" not in log.read_text()


def test_of_several_failures_ours_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    group = ExceptionGroup("tasks", [ValueError("x"), ExceptionGroup("inner", [ServerMissing("Gone.", "Start it.")])])
    assert told(group) == 4
    assert capsys.readouterr().err == "! Gone.\n  Start it.\n"
    assert told(NotFound("\x1b[2JNo.")) == 2
    assert capsys.readouterr().err == "! [2JNo.\n"


def test_help_is_there_for_every_command() -> None:
    for words in (
        ["chat"],
        ["ask"],
        ["servers"],
        ["tools"],
        ["conversations", "show"],
        ["config", "trust"],
        ["doctor"],
    ):
        assert main([*words, "--help"]) == 0


def test_the_simulator_serves_other_clients(desk: CommandLine) -> None:
    with desk.start("simulate", "--port", "0") as process:
        assert process.stdout is not None
        assert b"http://127.0.0.1:" in process.stdout.readline()
        process.terminate()
        process.stdout.read()
        process.wait(30)


def test_the_version_is_said() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", "--version"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.startswith("orchestrator ")
