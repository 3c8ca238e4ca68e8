"""The fetch server beside mcp-server-fetch, on pages of a site on loopback; robots.txt is off on both sides.

Our server asks one host politely (two at once, ten in a row, then one a second), so the pages are on twenty hosts.
"""

from __future__ import annotations

import contextlib
import http.server
import itertools
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.foreign import python_of
from benchmarks.measuring import HOUSE, Budget, Case, Operation, RawClient, Side, ours, raw_client

HOSTS = [f"127.0.0.{number}" for number in range(2, 22)]
OURS = ours("fetch", "--allow-cidr", "127.0.0.0/24", "--ignore-robots", "--log-level", "error")
PAUSE = 0.25


def reference() -> Sequence[str]:
    """Return the command of mcp-server-fetch, doing the same work."""
    return [python_of("fetch"), "-m", "mcp_server_fetch", "--ignore-robots-txt", "--allow-private-ips"]


SECTION = """<h2>Section {0}</h2>
<p>The <b>ferry</b> leaves the pier at 7.30 and returns <a href="/time/{0}">by noon</a>; the mill, the bridge and the
old harbour are on the way, and the captain knows each of them by name. Passengers with bicycles wait until the
others have gone aboard.</p><p>On Sundays there is music on the upper deck, unless it rains. The kitchen closes an
hour before the last landing; soup is <em>always</em> to be had. See
<a href="https://lake.example/menu?day={0}">the menu</a>.</p>
<ul><li>Adults: 4.50</li><li>Children: <em>free</em></li><li>Dogs: on a lead</li></ul>"""
TABLE = """<table><tr><th>Pier</th><th>Down</th><th>Up</th></tr><tr><td>Mill</td><td>7.52</td><td>11.40</td></tr>
<tr><td>Bridge</td><td>8.10</td><td>11.22</td></tr></table><pre><code class="language-python">print({0})</code></pre>"""


def page(size: int) -> bytes:
    """Return a page of about `size` bytes: prose with links and lists, and now and then a table and code."""
    parts, length, numbers = list[str](), 0, itertools.count()
    while length < size:
        number = next(numbers)
        part = SECTION.format(number) + (TABLE.format(number) if number % 4 == 0 else "")
        parts.append(part)
        length += len(part)
    head = "<!doctype html><html><head><title>Ferry</title></head>"
    return f"{head}<body><main>{''.join(parts)}</main></body></html>".encode()


@contextlib.contextmanager
def site(body: bytes) -> Generator[int]:
    """Serve the page at every path of every host, under /slow after a pause; give the port."""

    class Pages(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.startswith("/slow"):
                time.sleep(PAUSE)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with contextlib.ExitStack() as stack:
        port = free_port()
        for host in HOSTS:
            server = stack.enter_context(http.server.ThreadingHTTPServer((host, port), Pages))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            stack.callback(server.shutdown)
        yield port


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as probe:
        probe.bind((HOSTS[0], 0))
        return probe.getsockname()[1]


Fresh = Callable[[], Mapping[str, Any]]


def side(
    name: str, command: Callable[[], Sequence[str]], tool: str, body: bytes, arguments: Callable[[int], Fresh]
) -> Side:
    """Return the side that calls a tool with arguments that may differ at each call."""

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        with site(body) as port, raw_client(command()) as client:
            fresh = arguments(port)
            yield lambda: client.call(tool, fresh())

    return Side(name, ready)


def new_page(**others: Any) -> Callable[[int], Fresh]:
    """Return what asks for a page that was never asked for, on one host after another."""

    def arguments(port: int) -> Fresh:
        numbers = itertools.count()
        return lambda: {"url": new_url(port, "", next(numbers)), **others}

    return arguments


def new_url(port: int, path: str, number: int) -> str:
    """Return the URL of the page with this number."""
    return f"http://{HOSTS[number % len(HOSTS)]}:{port}{path}/{number}"


def same_page(**others: Any) -> Callable[[int], Fresh]:
    """Return what asks for a part of one page again and again."""

    def arguments(port: int) -> Fresh:
        # The first call fetches the page, all measured ones read the part from where the server keeps it.
        return lambda: {"url": new_url(port, "", 0), **others}

    return arguments


@dataclass
class Crowd:
    """Sends many calls at once over one stdio connection and waits for all answers."""

    process: subprocess.Popen[bytes]
    numbers: Iterator[int]

    def call(self, tool: str, many: Sequence[Mapping[str, Any]]) -> int:
        """Return the bytes of all answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        for arguments in many:
            params = {"name": tool, "arguments": arguments}
            message = {"jsonrpc": "2.0", "id": 10_000 + next(self.numbers), "method": "tools/call", "params": params}
            self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        size = answered = 0
        while answered < len(many):
            line = self.process.stdout.readline()
            if not line or b'"isError":true' in line:
                raise RuntimeError(f"{tool} failed: {line[:300]!r}")
            answered += b'"result"' in line
            size += len(line)
        return size


def crowd(name: str, command: Callable[[], Sequence[str]], tool: str, body: bytes, count: int, **others: Any) -> Side:
    """Return the side that fetches `count` slow pages at once, each from a host of its own."""

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        with site(body) as port:
            process = subprocess.Popen(
                list(command()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=HOUSE
            )
            try:
                RawClient(process)  # says hello
                together, numbers = Crowd(process, itertools.count()), itertools.count()
                yield lambda: together.call(
                    tool, [{"url": new_url(port, "/slow", next(numbers)), **others} for _ in range(count)]
                )
            finally:
                process.kill()
                process.wait()

    return Side(name, ready)


def cases(room: Path) -> Sequence[Case]:
    """Return the cases; nothing is needed in `room`."""
    large, small = page(100_000), page(20_000)
    wide = {"max_chars": 200_000, "max_age": 0}
    return [
        Case(
            "100 KB page as Markdown",
            [
                side("ours", OURS, "web_fetch", large, new_page(**wide)),
                side("reference", reference, "fetch", large, new_page(max_length=200_000)),
            ],
            budget=Budget(plus_ms=10),
            rounds=3,
            calls=5,
        ),
        Case(
            "its second part",
            [
                side("ours", OURS, "web_fetch", large, same_page(start=20_000, max_chars=20_000)),
                side("reference", reference, "fetch", large, same_page(start_index=20_000, max_length=20_000)),
            ],
            budget=Budget(plus_ms=2),
            rounds=3,
            calls=5,
        ),
        Case(
            f"20 pages at once, each {PAUSE * 1_000:.0f} ms away",
            [
                crowd("ours", OURS, "web_fetch", small, 20, max_age=0),
                crowd("one page alone", OURS, "web_fetch", small, 1, max_age=0),
                crowd("reference", reference, "fetch", small, 20),
            ],
            budget=Budget(ratio=1.5, to="one page alone"),
            rounds=2,
            calls=1,
        ),
    ]
