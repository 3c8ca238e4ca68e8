"""A worker process as its server holds it: started, asked, stopped, killed. Blocking: `worker/engine.py` waits."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from servers.database.errors import Unavailable
from servers.database.worker import frames
from servers.database.worker.session import Opening

PACKAGES = Path(__file__).parents[3]
"""Where `servers` is imported from. The worker gets this and no current folder, whose files could shadow modules."""


class Worker:
    """One process with one embedded database open in it."""

    def __init__(self, opening: Opening) -> None:
        """Start the process; it opens its database, and says so to `open`."""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "servers.database.worker.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": str(PACKAGES)} | {name: os.environ[name] for name in KEPT if name in os.environ},
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self.fresh = True  # nobody has waited yet until its database is open
        self.send(frames.request(opening))

    def send(self, payload: bytes) -> None:
        """Write one frame; a worker that is gone is noticed when it is asked for its reply."""
        with suppress(BrokenPipeError, ValueError):
            frames.write(self.input, payload)

    def ask(self, act: str, *arguments: object) -> bytes:
        """Return the reply to one call. Raises `Unavailable` if the process ends first."""
        self.send(frames.request(act, *arguments))
        return self.receive()

    def open(self) -> bytes:
        """Return what a fresh process says when its database is open. Raises `Unavailable` if it ends first."""
        greeting = self.receive()
        self.fresh = False
        if greeting != OPENED:
            self.kill()
        return greeting

    def receive(self) -> bytes:
        """Return the next frame the worker writes."""
        payload = frames.read(self.output)
        if payload is None:
            self.kill()
            raise Unavailable("The worker process of this database ended. The next call starts a new one.")
        return payload

    def stop(self) -> None:
        """Ask the engine to give up the call that runs."""
        self.send(frames.request(frames.STOP))

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End the process now. Its pipes end too, so a thread that reads from it wakes up."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End the process and let go of its pipes. Only when nobody reads from it any more."""
        self.kill()
        for pipe in (self.input, self.output):
            with suppress(BrokenPipeError):
                pipe.close()


KEPT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "LC_ALL", "LANG", "TZ")
"""What a worker inherits from the environment: never a password."""
OPENED = frames.reply({"done": None})
