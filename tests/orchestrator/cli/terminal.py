"""A real terminal (a pseudo-terminal) for a real process: keys in, screen out."""

from __future__ import annotations

import os
import pty
import re
import select
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
"""Seconds; everything here takes a fraction of it on an idle machine."""
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
