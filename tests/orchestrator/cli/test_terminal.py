"""The chat at a real terminal: keys in, screen out."""

from __future__ import annotations

import re
import signal

from tests.orchestrator.cli.desk import CommandLine
from tests.orchestrator.cli.terminal import CTRL_C, CTRL_D, PLAIN_PROMPT, PROMPT, terminal


def test_a_call_is_approved_or_refused_with_a_reason_at_the_terminal(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        screen.until("orchestrator ", "The simulator answers", "tea", "/help", PROMPT)
        screen.type('/call tea__brew {"kind": "assam"}\r')
        screen.until("? tea wants to run brew", "kind: assam", "asked because:", "[d] all details: ")
        screen.type("\n")
        screen.until("[d] all details: ")
        screen.type("y\n")
        screen.until("✓ tea__brew kind=assam  brewed assam", "2 steps", PROMPT)
        screen.type('/call tea__brew {"kind": "sencha"}\r')
        screen.until("kind: sencha", "[d] all details: ")
        screen.type("n\n")
        screen.until("Why (for the model; Enter for no reason): ")
        screen.type("too late for tea\n")
        screen.until("✗ tea__brew kind=sencha  denied: too late for tea", PROMPT)
        screen.type(CTRL_D)
        assert screen.exit_code() == 0
    assert "\x1b[?1049h" not in screen.raw, "the scrollback is never left"


def test_a_server_asks_the_user_field_by_field(desk: CommandLine) -> None:
    with terminal(desk, "--plain") as screen:
        screen.until(PLAIN_PROMPT)
        screen.type('/call tea__serve {"pot": "blue"}\n')
        screen.until("? tea asks: What goes into the blue pot?", "[n] decline: ")
        screen.type("y\n")
        screen.until("kind")
        screen.type("assam\n")
        screen.until("(integer): ")
        screen.type("many\n")
        screen.until("Type a whole number.", "(integer): ")
        screen.type("2\n")
        screen.until("2 cups of assam from the blue pot", PLAIN_PROMPT)
        screen.type("/quit\n")
        assert screen.exit_code() == 0
    assert "\x1b" not in screen.raw, "plain means no control codes"


def test_ctrl_c_stops_the_turn_and_the_chat_goes_on(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        screen.until(PROMPT)
        screen.type('/call tea__steep {"minutes": 3}\r')
        screen.until("● tea__steep minutes=3  …running")
        screen.type(CTRL_C)
        screen.until("Stopping…", "✗ tea__steep minutes=3  stopped", "Stopped.", PROMPT)
        screen.type("/servers\r")
        screen.until("✓ tea (required)  ready", PROMPT)
        screen.type(CTRL_C)
        screen.until("Ctrl-C again leaves", PROMPT)
        screen.type(CTRL_C)
        assert screen.exit_code() == 130
    assert re.search(r"orchestrator chat --resume c_\w+", screen.text)


def test_ctrl_c_while_the_user_is_asked_stops_the_turn(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        screen.until(PROMPT)
        screen.type('/call tea__brew {"kind": "assam"}\r')
        screen.until("[d] all details: ")
        screen.type(CTRL_C)
        screen.until("Stopping…", "✗ tea__brew kind=assam  stopped", PROMPT)
        screen.type("/quit\r")
        assert screen.exit_code() == 0


def test_a_closed_terminal_ends_the_program_and_the_question_comes_back_on_resume(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        screen.until(PROMPT)
        screen.type('/call tea__brew {"kind": "assam"}\r')
        screen.until("[d] all details: ")
        screen.process.send_signal(signal.SIGHUP)
        assert screen.exit_code() == 128 + signal.SIGHUP
    with terminal(desk, "chat", "--resume", "last") as screen:
        screen.until("> /call tea__brew", "? tea wants to run brew", "[d] all details: ")
        screen.type(CTRL_C)
        screen.until("✗ tea__brew kind=assam  stopped", PROMPT)
        screen.type(CTRL_D)
        assert screen.exit_code() == 0


def test_a_command_with_too_many_words_is_not_sent_to_the_model_and_what_was_typed_is_for_its_user_alone(
    desk: CommandLine,
) -> None:
    with terminal(desk) as screen:
        screen.until(PROMPT)
        for line, said in (
            ("/model a b", "! /model takes one name behind it. Nothing was sent."),
            ("/tools please", "! /tools takes nothing behind it. Nothing was sent."),
            ("/model deep", "Set model.deep, or name a model."),
            ("/model claude-haiku-5-5", "· From now on simulator as claude-haiku-5-5 is asked."),
            ("hello", "I can call:"),
            ("/new", "A new conversation begins with your next message."),
            ("/resume last", "> hello"),
            ("/model", "· Now simulator as claude-haiku-5-5 is asked."),
        ):
            screen.type(f"{line}\r")
            screen.until(said, PROMPT)
        screen.type(CTRL_D)
        assert screen.exit_code() == 0
    with terminal(desk, "chat", "--resume", "last") as screen:
        screen.until("> hello", PROMPT)
        screen.type("/model\r")
        screen.until("· Now simulator as claude-haiku-5-5 is asked.", PROMPT)
        screen.type(CTRL_D)
        assert screen.exit_code() == 0
    assert (desk.home / "data" / "history").stat().st_mode & 0o077 == 0
