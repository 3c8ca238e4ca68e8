"""Servers as real processes: started, watched through their standard error, and always ended."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path

import anyio

HOUSE = Path(__file__).parents[3]
SAMPLE = (sys.executable, str(Path(__file__).with_name("sample.py")))
PATIENCE = 30.0  # seconds; two busy cores start a process in two or three


class Served:
    """A server that runs in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def line(self, pattern: str) -> re.Match[str]:
        """Wait for a line on standard error that matches, and return the match."""
        end = time.monotonic() + PATIENCE
        for line in list(self.lines):
            if match := re.search(pattern, line):
                return match
        while (line := self._news.get(timeout=max(0.01, end - time.monotonic()))) is not None:
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no line matches {pattern!r}: {self.lines}")

    def url(self, name: str = "") -> str:
        """Return the URL that the server announced, of the server `name` if there are several."""
        return self.line(rf"serving (http://\S+/{name + '/' if name else ''}mcp)")[1]

    def base(self) -> str:
        """Return the URL of the port, without a path."""
        return re.sub(r"(http://[^/]+).*", r"\1", self.url())

    def stop(self, seconds: float = PATIENCE) -> int:
        """Ask it to stop and return its exit code."""
        self.process.terminate()
        code = self.process.wait(seconds)
        self._reader.join(seconds)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))
            self._news.put(self.lines[-1])
        self._news.put(None)


@contextlib.contextmanager
def served(command: Sequence[str], **environment: str) -> Generator[Served]:
    """Run a server until the body ends; what still runs then is ended."""
    process = subprocess.Popen(
        command,
        cwd=HOUSE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, **environment},
    )
    try:
        yield Served(process)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait(PATIENCE)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


async def appears(path: Path) -> None:
    """Wait until a file is there."""
    with anyio.fail_after(PATIENCE):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process writes it; there is nothing to subscribe to
            await anyio.sleep(0.01)
