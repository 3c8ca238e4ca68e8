"""Real processes for whole stories: the orchestrator, the simulator, a page on loopback, servers made for a test."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parent / "programs"
PATIENCE_S = 120
CREDENTIALS = re.compile(r"ANTHROPIC_|ORCHESTRATOR_|.*_PROXY$", re.IGNORECASE)


@dataclass(frozen=True)
class Done:
    """How a program ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Desk:
    """A user's machine: a home with nothing in it and a folder to work in."""

    home: Path
    folder: Path

    @property
    def data(self) -> Path:
        return self.home / "data"

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not CREDENTIALS.match(name)}
        return clean | {"HOME": str(self.home), "ORCHESTRATOR_DATA_DIR": str(self.data), "COLUMNS": "120"} | more

    def run(self, *words: str, said: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run `orchestrator` with these words in the folder, `said` on its standard input, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", *words],
            cwd=self.folder,
            env=self.environment(**(env or {})),
            input=said,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def configure(self, servers: Mapping[str, Any], **sections: Any) -> str:
        """Write a config beside the folder and return its path, for `--config`."""
        path = self.home / "orchestrator.json"
        path.write_text(json.dumps({"mcpServers": servers, **sections}))
        return str(path)


def program(name: str, *args: str) -> dict[str, Any]:
    """Return the config of a server of ours for tests: the file `programs/NAME.py`."""
    return {"command": sys.executable, "args": [str(PROGRAMS / f"{name}.py"), *args]}


@contextmanager
def simulator(*options: str) -> Generator[str]:
    """Run the simulator as a process of its own and yield its base URL."""
    line = [sys.executable, "-m", "simulator", "--port", "0", *options]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield first_url(process)
        finally:
            process.terminate()
            process.wait(20)


def first_url(process: subprocess.Popen[str]) -> str:
    """Return the first address that a program prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError(f"the program ended with {process.wait()} and named no address")


@contextmanager
def pages(folder: Path) -> Generator[str]:
    """Serve a folder on loopback and yield its URL."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(20)


def processes_with(mark: str) -> list[int]:
    """Return the processes (not zombies) whose command line or environment holds `mark`."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            text = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if mark.encode() in text and state != "Z":
            found.append(int(folder.name))
    return found


def kill(pid: int) -> None:
    """End a process of ours at once, as a crash would."""
    os.kill(pid, signal.SIGKILL)


def calls(*lines: tuple[str, Mapping[str, Any]]) -> str:
    """Return a message that the simulator obeys to the letter: these calls, all at once."""
    return "\n".join(f"/call {name} {json.dumps(arguments)}" for name, arguments in lines)


def recorded(done: Done) -> list[dict[str, Any]]:
    """Return the events that `--stream-json` printed."""
    return [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]


def of_type(events: Sequence[Mapping[str, Any]], kind: str) -> list[Any]:
    """Return the events of one type, in order, whether or not they come in an envelope."""
    bodies = [event.get("event", event) for event in events]
    return [body for body in bodies if body.get("type") == kind]
