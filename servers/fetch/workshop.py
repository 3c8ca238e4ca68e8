"""Where bodies become text: one worker process, started when first needed, ended when a page is too much for it."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from servers.fetch.failures import TooLarge, TooSlow
from servers.fetch.views import Rendered, Source, View
from servers.fetch.worker import Job, Reply, line_of
from servers.refusals import refuse

SECONDS = 8.0
"""The longest one page may take; nobody else's page waits longer for it."""
LARGE = 1_000_000
"""A worker that has had a body of more bytes than this is replaced, so that its memory goes back."""
SLICE = 65_536
LONGEST_LINE = 16_384
INHERITED = (
    "PATH",
    "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
    "SYSTEMROOT",
)


class Workshop:
    """Renders pages, one at a time, in a process of its own. Close it in the end."""

    def __init__(self) -> None:
        self._turn = anyio.Lock()
        self._worker: Worker | None = None

    async def warm(self) -> None:
        """Start the worker if there is none: it gets ready while the page is on its way."""
        if self._worker is None and not self._turn.statistics().locked:
            async with self._turn:
                await self._present()

    async def render(self, source: Source, view: View) -> Rendered:
        """Return `source` in `view`.

        Raises:
            TooLarge: it takes more memory than the worker may have, or breaks it.
            TooSlow: it takes longer than `SECONDS`.
            Refusal: what `views.render` refuses.
        """
        async with self._turn:
            worker = await self._present()
            finished = False
            try:
                with anyio.move_on_after(SECONDS):
                    reply, text = await worker.do(Job.of(source, view), source.body)
                    finished = len(source.body) <= LARGE
                    return rendered(reply, text)
                raise TooSlow("The page takes too long to convert. Ask for format=html, or use another source.")
            except (anyio.IncompleteRead, anyio.BrokenResourceError, anyio.EndOfStream):
                raise TooLarge("The page is too much to convert. Ask for format=html, or use another source.") from None
            finally:
                if not finished:
                    self._worker = None
                    await worker.end()

    async def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            await self._worker.end()
            self._worker = None

    async def _present(self) -> Worker:
        if self._worker is None:
            self._worker = await Worker.start()
        return self._worker


class Worker:
    """The process and the two pipes to it."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._jobs = process, process.stdin
        self._replies = BufferedByteReceiveStream(process.stdout)

    @classmethod
    async def start(cls) -> Worker:
        """Start a process that has nothing of ours: no secrets in its environment, no terminal."""
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        # Not from the current folder (-P), which may hold another package of this name, but from where we are.
        environment["PYTHONPATH"] = str(Path(__file__).parent.parent.parent)
        command = [sys.executable, "-P", "-m", "servers.fetch.worker"]
        return cls(await anyio.open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment))

    async def do(self, job: Job, body: bytes) -> tuple[Reply, str]:
        """Return the reply to a job and its text. Raises an error of anyio if the process ends before."""
        await self._jobs.send(line_of(job))
        view = memoryview(body)
        for at in range(0, len(body), SLICE):  # in slices: a pipe's transport would copy the rest of a whole body
            await self._jobs.send(bytes(view[at : at + SLICE]))
        reply = Reply(**json.loads(await self._replies.receive_until(b"\n", LONGEST_LINE)))
        text = io.BytesIO()
        while text.tell() < reply.size:
            text.write(await self._replies.receive(min(SLICE, reply.size - text.tell())))
        return reply, str(text.getbuffer(), "utf-8")

    async def end(self) -> None:
        """Kill the process, at once and for good."""
        with anyio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._process.kill()
            await self._process.aclose()


def rendered(reply: Reply, text: str) -> Rendered:
    """Return the page of a reply. Raises the `Refusal` that it holds instead."""
    if reply.refused is not None:
        refuse(reply.refused, text)
    return Rendered(text, reply.title, reply.charset, reply.hidden, reply.controls, reply.cut, reply.scripted)
