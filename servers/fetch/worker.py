"""The worker process: `python -m servers.fetch.worker` turns bodies into text, one after another.

Strangers' bytes are parsed here and not in the server: a page that crashes a parser, swells or never ends costs this
process, which holds no connection, no key and no other page. It leaves when its parent does.

A job is a line of JSON (`Job`) and then the body; the reply is a line of JSON (`Reply`) and then the text in UTF-8.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from typing import BinaryIO

from servers.fetch.kinds import Kind
from servers.fetch.views import Format, Rendered, Source, View, render
from servers.refusals import Code, Refusal

MEMORY = 100_000_000
"""Bytes of data this process may have: the interpreter and its libraries (about 20 MB) and what a page needs."""


@dataclass(frozen=True)
class Job:
    """What to do with the bytes that follow."""

    size: int
    kind: str
    charset: str | None
    url: str
    format: str
    hidden: bool

    @classmethod
    def of(cls, source: Source, view: View) -> Job:
        """Return the job of rendering `source` in `view`."""
        return cls(len(source.body), str(source.kind), source.charset, source.url, str(view.format), view.hidden)

    def done(self, body: bytes) -> Rendered:
        """Return the page. Raises a `Refusal`, or whatever the page breaks."""
        source = Source(body, Kind(self.kind), self.charset, self.url)
        return render(source, View(Format(self.format), self.hidden))


@dataclass(frozen=True)
class Reply:
    """What came out; `size` bytes of text follow."""

    size: int
    title: str = ""
    charset: str = ""
    hidden: int = 0
    controls: int = 0
    cut: bool = False
    scripted: bool = False
    refused: Code | None = None
    """Set when the page was refused: the text says why."""


def line_of(message: Job | Reply) -> bytes:
    """Return a message as its line."""
    return json.dumps(asdict(message)).encode() + b"\n"


def answer(job: Job, body: bytes) -> tuple[Reply, bytes]:
    """Return the reply to a job and its text."""
    try:
        page = job.done(body)
    except Refusal as refusal:
        text = str(refusal).encode()
        return Reply(len(text), refused=refusal.code), text
    text = page.text.encode()
    return Reply(len(text), page.title, page.charset, page.hidden, page.controls, page.cut, page.scripted), text


def work(jobs: BinaryIO, replies: BinaryIO) -> None:
    """Do one job after another until there are none."""
    while line := jobs.readline():
        job = Job(**json.loads(line))
        body = jobs.read(job.size)
        if len(body) < job.size:
            return
        reply, text = answer(job, body)
        del body
        replies.write(line_of(reply))
        replies.write(text)
        replies.flush()


def confine() -> None:
    """Bound this process: memory, no files written, no core dump, an end when its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to everyone; the server decides
    with contextlib.suppress(ImportError, OSError, ValueError):  # not every system has all of these
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    if sys.platform == "linux":
        import ctypes

        parent_death_signal, no_new_privileges = 1, 38  # prctl(2): PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS
        libc = ctypes.CDLL(None)
        libc.prctl(parent_death_signal, signal.SIGKILL, 0, 0, 0)
        libc.prctl(no_new_privileges, 1, 0, 0, 0)


def main() -> None:
    """Serve the jobs on standard input."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not write into a reply
    confine()
    with contextlib.suppress(BrokenPipeError):
        work(sys.stdin.buffer, replies)
    with contextlib.suppress(BrokenPipeError):
        replies.close()


if __name__ == "__main__":
    main()
