"""What the suite's own serving costs: the same one-tool server, served by us and by the bare SDK."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import httpx2

from benchmarks.measuring import HOUSE, Budget, Case, Operation, Side, floor, ours, raw_client, tool_side

PLAIN = HOUSE / "benchmarks" / "programs" / "plain.py"
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
}
HEADERS = {
    "MCP-Protocol-Version": "2026-07-28",
    "Accept": "application/json, text/event-stream",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "read",
}


def plain() -> Sequence[str]:
    return [sys.executable, str(PLAIN)]


def http_side(name: str, command: Callable[[], Sequence[str]], option: str, path: str) -> Side:
    """Call `read(path)` over HTTP, as a client of 2026-07-28 does; `option` takes the server's port."""
    call = {"name": "read", "arguments": {"path": path}, "_meta": ENVELOPE}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = f"127.0.0.1:{port}" if option == "--http" else str(port)
        line = [*command(), option, where, *(["--rate", "0"] if option == "--http" else [])]
        process = subprocess.Popen(line, cwd=HOUSE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}/mcp"
        try:
            with httpx2.Client(headers=HEADERS, timeout=30) as http:
                _until_it_listens(port)

                def once() -> int:
                    answer = http.post(url, json=message)
                    answer.raise_for_status()
                    return len(answer.content)

                yield once
        finally:
            process.terminate()
            process.wait(10)

    return Side(name, ready)


def _until_it_listens(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > end:
            raise RuntimeError("the server does not listen")
        time.sleep(0.05)


def cold_side(name: str, command: Callable[[], Sequence[str]]) -> Side:
    """Start the server and list its tools, again and again."""

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        def once() -> int:
            with raw_client(command()) as client:
                return client.ask("tools/list", {})[1]

        yield once

    return Side(name, ready)


def cases(room: Path) -> Sequence[Case]:
    """Every case of the serving itself."""
    small, large = str(room / "1k.txt"), str(room / "1m.txt")
    Path(small).write_text("x" * 1024, encoding="utf-8")
    Path(large).write_text("line of text\n" * 80_000, encoding="utf-8")
    folder = ours("files", str(room))
    return [
        Case(
            "call over stdio, 1 KB",
            [tool_side("ours", plain, "read", {"path": small}), tool_side("floor", floor(), "read", {"path": small})],
            Budget(ratio=1.0, to="floor"),
            rounds=15,
            calls=100,
        ),
        Case(
            "call over stdio, 1 MB",
            [tool_side("ours", plain, "read", {"path": large}), tool_side("floor", floor(), "read", {"path": large})],
            Budget(ratio=1.2, to="floor"),
        ),
        Case(
            "call over HTTP, 1 KB",
            [http_side("ours", plain, "--http", small), http_side("floor", floor(), "--port", small)],
            Budget(ratio=1.2, to="floor"),
            rounds=10,
            calls=50,
        ),
        Case(
            "cold start to tools/list",
            [cold_side("ours", folder), cold_side("floor", floor())],
            Budget(ratio=1.2, to="floor"),
            calls=1,
        ),
    ]
