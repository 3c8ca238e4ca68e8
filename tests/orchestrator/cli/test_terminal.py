"""The chat at a real terminal: keys in, screen out."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator
from contextlib import contextmanager
from fcntl import ioctl

from tests.orchestrator.cli.desk import CommandLine

PATIENCE_S = 60
CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|\r")
BEGINS = "\x1b[?2004h"  # the editor asks for bracketed paste at the beginning of each prompt
PROMPT, PLAIN_PROMPT = "<prompt>", "> "
CTRL_C, CTRL_D = "\x03", "\x04"


class Terminal:
    """A program at a terminal of 100 columns."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self._raw = b""
        self._read_to = 0

    @property
    def text(self) -> str:
        """All that was written so far, without control codes."""
        return CODES.sub("", self.raw.replace(BEGINS, PROMPT))

    @property
    def raw(self) -> str:
        return self._raw.decode("utf-8", "replace")

    def until(self, *marks: str) -> None:
        """Read until these marks have appeared, one after the other, after what was read before."""
        end = time.monotonic() + PATIENCE_S
        for mark in marks:
            while (found := self.text.find(mark, self._read_to)) < 0:
                assert self._more(end - time.monotonic()), f"no {mark!r} in:\n{self.text}"
            self._read_to = found + len(mark)

    def type(self, keys: str) -> None:
        os.write(self._screen, keys.encode())

    def exit_code(self) -> int:
        """Read what is left, and return the program's exit code."""
        end = time.monotonic() + PATIENCE_S
        while self._more(end - time.monotonic()):
            pass
        return self.process.wait(PATIENCE_S)

    def _more(self, seconds: float) -> bool:
        """Read once; False at the end of the terminal or of our patience. Answers a request for the cursor's place."""
        if not select.select([self._screen], [], [], max(0.0, seconds))[0]:
            return False
        try:
            piece = os.read(self._screen, 65_536)
        except OSError:
            return False
        self._raw += piece
        if b"\x1b[6n" in piece:
            self.type("\x1b[1;1R")
        return bool(piece)


@contextmanager
def terminal(desk: CommandLine, *words: str) -> Generator[Terminal]:
    """Run `orchestrator` at a terminal of its own, and see to its end."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    line = [sys.executable, "-m", "orchestrator", *words]

    def adopt() -> None:
        os.setsid()
        ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        line, cwd=desk.home, env=desk.environment(), stdin=theirs, stdout=theirs, stderr=theirs, preexec_fn=adopt
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


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


def test_an_approval_that_waited_for_a_restart_is_decided_at_once_on_resume(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        screen.until(PROMPT)
        screen.type('/call tea__brew {"kind": "assam"}\r')
        screen.until("[d] all details: ")
        screen.process.send_signal(signal.SIGHUP)
        screen.exit_code()
    code, out, err = desk.run("ask", "--resume", "last", "--yes")
    assert code == 0, (out, err)
    assert "brewed assam" in out
