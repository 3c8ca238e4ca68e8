"""Standard error: log lines for people or machines, and audit lines, written by a thread of their own.

A client that does not read our standard error must not stop us: lines wait in a bounded queue, and when that is full
they are counted instead of written.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
from datetime import UTC, datetime
from typing import TextIO

from servers.cleaning import clean

MOST_WAITING = 4_000_000  # characters


class Lines:
    """Writes lines to a stream without ever making the caller wait."""

    def __init__(self, stream: TextIO, most_waiting: int = MOST_WAITING) -> None:
        self._stream = stream
        self._most = most_waiting
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._size = 0
        self._lost = 0
        self._writer = threading.Thread(target=self._drain, name="stderr", daemon=True)
        self._writer.start()

    def write(self, line: str) -> None:
        """Queue one line; where there is no room, it is counted and the count is written later."""
        with self._counting:
            if self._size + len(line) > self._most:
                self._lost += 1
                return
            self._size += len(line)
        self._waiting.put(line)

    def close(self, seconds: float = 1.0) -> None:
        """Write what is waiting, for at most `seconds`."""
        self._waiting.put(None)
        self._writer.join(seconds)

    def _drain(self) -> None:
        while (line := self._waiting.get()) is not None:
            with self._counting:
                lost, self._lost = self._lost, 0
                self._size -= len(line)
            text = f"{line}\n" + (f'{{"audit": "lost", "lines": {lost}}}\n' if lost else "")
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                return  # nobody listens any more


class _Human(logging.Formatter):
    """`WARNING mcp.server: text`; what a stranger wrote cannot move the cursor or forge a line's beginning."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is the standard library's
        record.message = record.message.replace("\r", r"\r").replace("\n", r"\n")
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record)).text


class _Json(logging.Formatter):
    """One JSON object per record: `time`, `level`, `logger`, `message`, and `exception` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _ToLines(logging.Handler):
    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.write(self.format(record))
        except Exception:  # noqa: BLE001 - logging's own rule: a broken record must not break the caller
            self.handleError(record)


def start_logging(level: str, style: str) -> Lines:
    """Send all logging to standard error, `human` or `json`, and return the lines for what else goes there."""
    lines = Lines(sys.stderr)
    handler = _ToLines(lines)
    handler.setFormatter(_Json() if style == "json" else _Human())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    return lines
