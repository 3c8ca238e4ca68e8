"""Several windows on one history: killed, frozen, or side by side on one conversation."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from orchestrator.events import EVENT, DurableEvent, LiveEvent, ToolStarted, TurnStarted
from orchestrator.messages import text_of
from tests.orchestrator.cli.desk import CommandLine
from tests.orchestrator.cli.terminal import CTRL_C, CTRL_D, PROMPT, Terminal, terminal

BREW = '/call tea__brew {"kind": "assam"}'
KEYS = "[d] all details: "


def test_after_kill_9_the_turn_is_offered_and_shown_once_and_goes_on_where_it_stood(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        asked(screen)
        screen.process.kill()
        assert screen.exit_code() == -signal.SIGKILL
    with terminal(desk) as screen:
        screen.until("did not finish: `/resume` goes on with it.", PROMPT)
        screen.type("/resume\r")
        screen.until(f"> {BREW}", "I call `tea__brew`.", "? tea wants to run brew", KEYS)
        assert screen.text.count("I call `tea__brew`.") == 1, screen.text
        screen.type("y\n")
        screen.until("✓ tea__brew kind=assam  brewed assam", PROMPT)
        screen.type(CTRL_D)
        assert screen.exit_code() == 0
    assert starts(desk) == 1


def test_a_frozen_window_whose_turn_was_ended_elsewhere_shows_how_and_goes_on(desk: CommandLine) -> None:
    with terminal(desk) as frozen:
        asked(frozen)
        freeze(frozen.process)
        code, _, err = desk.run("ask", "--resume", "last", "--yes")
        assert code == 2
        assert "is at work in another window" in err
        assert "--take-over` takes the turn over" in err
        code, out, err = desk.run("ask", "--resume", "last", "--yes", "--take-over")
        assert code == 0, (out, err)
        frozen.process.send_signal(signal.SIGCONT)
        frozen.type("y\n")
        frozen.until("! Another window took this turn over. This is how it went on there:")
        frozen.until("✓ tea__brew kind=assam  brewed assam", "returned:", "2 steps", PROMPT)
        frozen.type("and now?\r")
        frozen.until("I can call:", PROMPT)
        frozen.type(CTRL_D)
        assert frozen.exit_code() == 0
    assert starts(desk) == 1


@pytest.mark.parametrize("key", ["y\n", "n no tea\n", CTRL_C])
def test_a_frozen_window_that_wakes_while_another_has_its_turn_is_fenced_and_says_so(
    desk: CommandLine, key: str
) -> None:
    with terminal(desk) as frozen:
        asked(frozen)
        freeze(frozen.process)
        with terminal(desk, "chat", "--resume", "last", "--take-over") as other:
            other.until("? tea wants to run brew", KEYS)
            frozen.process.send_signal(signal.SIGCONT)
            frozen.type(key)
            frozen.until("! Another window took this turn over.", "orchestrator chat --resume c_", PROMPT)
            frozen.type("are you there?\r")
            frozen.until("is at work in another window.", "--take-over", PROMPT)
            other.type("y\n")
            other.until("✓ tea__brew kind=assam  brewed assam", PROMPT)
            other.type(CTRL_D)
            assert other.exit_code() == 0
        frozen.type(CTRL_D)
        assert frozen.exit_code() == 0
    assert starts(desk) == 1


def test_two_windows_on_one_conversation_take_turns_and_see_what_the_other_said(desk: CommandLine) -> None:
    with terminal(desk) as one:
        one.until(PROMPT)
        one.type("first\r")
        one.until("I can call:", PROMPT)
        with terminal(desk, "chat", "--resume", "last") as two:
            two.until("> first", "I can call:", PROMPT)
            two.type(f"{BREW}\r")
            two.until(KEYS)
            one.type("too early\r")
            one.until("is at work in another window.", PROMPT)
            one.type("/resume\r")
            one.until("is at work in another window.", PROMPT)
            two.type("y\n")
            two.until("brewed assam", PROMPT)
            one.type("third\r")
            one.until("· Meanwhile, in another window:", f"> {BREW}", "brewed assam", "I can call:", PROMPT)
            two.type(CTRL_D)
            assert two.exit_code() == 0
        one.type(CTRL_D)
        assert one.exit_code() == 0
    said = [text_of(one.content) for one in events(desk) if isinstance(one, TurnStarted)]
    assert said == ["first", BREW, "third"]


def test_an_approval_that_waited_for_a_restart_is_decided_at_once_on_resume(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        asked(screen)
        screen.process.send_signal(signal.SIGHUP)
        assert screen.exit_code() == 128 + signal.SIGHUP
    code, out, err = desk.run("ask", "--resume", "last", "--yes")
    assert code == 0, (out, err)
    assert "brewed assam" in out
    assert starts(desk) == 1


def asked(screen: Terminal) -> None:
    """Come as far as the question whether the tea may be brewed."""
    screen.until(PROMPT)
    screen.type(f"{BREW}\r")
    screen.until("? tea wants to run brew", KEYS)


def freeze(process: subprocess.Popen[bytes]) -> None:
    """Stop the process in its tracks, and return when it stands still."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)


def events(desk: CommandLine) -> list[DurableEvent | LiveEvent]:
    """Return all that was recorded of the last conversation."""
    code, out, err = desk.run("conversations", "export", "last", "--format", "json")
    assert code == 0, err
    return [EVENT.validate_python(one["event"]) for one in json.loads(out)["events"]]


def starts(desk: CommandLine) -> int:
    """Return how many calls were ever begun in the last conversation."""
    return sum(isinstance(one, ToolStarted) for one in events(desk))
