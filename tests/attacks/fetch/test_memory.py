"""The real program under every bomb: no process of it needs more than 120 MB, and it answers all along."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import psutil
import pytest
from mcp import Client, StdioServerParameters

from servers.fetch.kinds import PDF
from tests.attacks.fetch.bombs import LAUGHS, MARKUP, MEGABYTE, endless, gzip_bomb, html, sheet, word
from tests.servers.fetch.reading import body, fetch, text
from tests.servers.fetch.site import Wild, answer, serving

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        sys.platform != "linux", reason="peak memory of another process is read from /proc, which is Linux's"
    ),
]
MOST = 120 * 1_024 * 1_024
AT_ONCE, EACH = 24, 4

SLOW = {"deep", "deep lists", "attributes", "hidden in hidden", "templates", "svg"}
"""Markup on which a parser is quadratic: two of it are enough, each takes the worker's eight seconds."""
BOMBS: dict[str, bytes | Wild] = {
    "gzip to html": gzip_bomb(),
    "gzip to text": gzip_bomb(content_type="text/plain", pattern="😀 ".encode()),
    "gzip to json": gzip_bomb(content_type="application/json", pattern=b"[["),
    "gzip to pdf": gzip_bomb(content_type=PDF),
    "endless html": endless(b"<p>more" * 9_000),
    "endless text": endless("日本語".encode() * 9_000, "text/plain"),
    "endless pdf": endless(b"%PDF-1.7\n" * 7_000, PDF),
    "zip": word(b"<a>" + b"x" * 50_000_000),
    "entities": word(LAUGHS),
    "strings": sheet({"xl/sharedStrings.xml": b"<sst>" + b"<si><t>abcdefgh</t></si>" * 40_000 + b"</sst>"}),
    **{f"markup: {name}": html(markup) for name, markup in MARKUP.items() if name not in SLOW},
    "markup: attributes": html(MARKUP["attributes"]),
}


class Peaks:
    """The most memory that each process of a program had, by what the kernel counted (VmHWM)."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}

    def look(self, pids: Iterable[int]) -> None:
        for pid in pids:
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                peak = next((int(line.split()[1]) * 1_024 for line in lines if line.startswith("VmHWM")), 0)
                self.of[pid] = max(peak, self.of.get(pid, 0))

    async def watch(self) -> None:
        """Look at every process that this test has, again and again; a sampler, nothing waits for it."""
        me = psutil.Process()
        while True:
            self.look(child.pid for child in me.children(recursive=True))
            await anyio.sleep(0.005)


@asynccontextmanager
async def sites() -> AsyncGenerator[dict[str, str]]:
    """Serve the bombs, few by each host because a polite reader asks a host slowly; give their URLs by name."""
    names = list(BOMBS)
    async with AsyncExitStack() as stack:
        urls: dict[str, str] = {}
        for number in range(0, len(names), EACH):
            site = await stack.enter_async_context(serving(host=f"127.0.0.{2 + number // EACH}"))
            for name in names[number : number + EACH]:
                path = f"/{len(urls)}"
                site.pages[path] = BOMBS[name]
                urls[name] = site.url(path)
        yield urls


async def drop(client: Client, url: str) -> None:
    result = await fetch(client, url, max_age=0)
    assert not result.is_error or text(result).startswith(("too_large: ", "timeout: ", "invalid: ")), text(result)


async def test_no_process_needs_more_than_120_megabytes_under_any_bomb() -> None:
    program = StdioServerParameters(
        command=sys.executable, args=["-m", "servers.fetch", "--allow-cidr", "127.0.0.0/24"]
    )
    peaks = Peaks()
    async with (
        sites() as urls,
        serving({"/": answer("<p>still here")}) as calm,
        Client(program) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(peaks.watch)
        for url in urls.values():
            await drop(client, url)
        async with anyio.create_task_group() as at_once:
            for url in list(urls.values())[:AT_ONCE]:
                at_once.start_soon(drop, client, url)
        assert body(await fetch(client, calm.url("/"))) == "still here"
        tasks.cancel_scope.cancel()
    assert len(peaks.of) >= 2  # the server and at least one worker
    assert max(peaks.of.values()) <= MOST, sorted(peak // MEGABYTE for peak in peaks.of.values())
