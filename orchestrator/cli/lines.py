"""Lines from the keyboard, a pipe or a file, without a thread that would keep the program alive."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

import anyio


class Lines:
    """Reads one line at a time; several readers may share it, one after the other."""

    def __init__(self, source: TextIO) -> None:
        self._file = source.fileno()
        self._buffer = b""
        self._ended = False

    async def next(self) -> str | None:
        """Return the next line without its end, or None when there are no more."""
        while b"\n" not in self._buffer and not self._ended:
            await self._readable()
            chunk = os.read(self._file, 65_536)
            self._buffer += chunk
            self._ended = not chunk and not os.isatty(self._file)  # a terminal can go on after Ctrl-D
            if not chunk:
                break
        line, newline, rest = self._buffer.partition(b"\n")
        self._buffer = rest
        return line.decode("utf-8", "replace").rstrip("\r") if line or newline else None

    def forget(self) -> None:
        """Drop what was typed ahead at a terminal: it was not meant for the question that comes now."""
        if not os.isatty(self._file):
            return
        self._buffer = b""
        with contextlib.suppress(ImportError, OSError):
            import termios

            termios.tcflush(self._file, termios.TCIFLUSH)

    async def _readable(self) -> None:
        """Wait for input where one can wait; a regular file or /dev/null never blocks."""
        if sys.platform == "win32":  # no way to wait for a console there
            await anyio.lowlevel.checkpoint()
            return
        try:
            await anyio.wait_readable(self._file)
        except PermissionError:
            await anyio.lowlevel.checkpoint()
