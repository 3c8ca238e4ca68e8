"""The simulator's own time per request, and its memory after many.

    python benchmarks/simulator.py [--requests 10000]

The time is measured in process, through the ASGI application without a socket, so that it can be subtracted from what a
client measures over HTTP; the ratio compares it with a bare ASGI application that reads the same body and answers a
constant. Memory is that of a simulator in a process of its own, asked over HTTP by four clients at once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from simulator.app import Settings, build

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21", "content-type": "application/json"}
TOOLS: list[Any] = [
    {
        "name": f"server__tool_{n}",
        "description": "Do one thing with one path. " * 4,
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    }
    for n in range(30)
]


def conversation(turns: int) -> list[Any]:
    """Return a conversation of so many turns, each with a call and a result of 2 KB."""
    messages: list[Any] = []
    for n in range(turns):
        use = {"type": "tool_use", "id": f"toolu_{n}", "name": "server__tool_1", "input": {"path": f"{n}.md"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{n}", "content": "some words " * 180}
        messages += [
            {"role": "user", "content": f"look at file {n}"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
            {"role": "assistant", "content": "Done."},
        ]
    return [*messages, {"role": "user", "content": "hello"}]


def body(turns: int, stream: bool) -> bytes:
    """Return the body of one request."""
    asked = {"model": "claude-opus-5-5", "max_tokens": 1_000, "messages": conversation(turns), "tools": TOOLS}
    return json.dumps(asked | {"stream": stream, "cache_control": {"type": "ephemeral"}}).encode()


async def bare(request: Request) -> JSONResponse:
    """Read the body and answer a constant."""
    json.loads(await request.body())
    return JSONResponse({"type": "message"})


async def times(app: Starlette, content: bytes, count: int) -> list[float]:
    """Return the milliseconds of processor time of each of `count` requests, but for the first tenth."""
    found: list[float] = []
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://bench", headers=HEADERS) as client:
        for _ in range(count):
            start = time.process_time()
            answer = await client.post("/v1/messages", content=content)
            found.append((time.process_time() - start) * 1_000)
            assert answer.status_code == 200, answer.text
    return found[max(1, count // 10) :]


async def speed() -> None:
    """Print the time per request for short and long conversations."""
    print(f"{'request':<34}{'bare ms':>10}{'p50 ms':>10}{'p95 ms':>10}{'ratio':>8}")
    plain = Starlette(routes=[Route("/v1/messages", bare, methods=["POST"])])
    for turns in (0, 10, 100):
        for stream in (False, True):
            content = body(turns, stream)
            base = statistics.median(await times(plain, content, 100))
            own = sorted(await times(build(Settings()), content, 100))
            middle, high = statistics.median(own), own[int(len(own) * 0.95)]
            name = f"{turns} turns, {len(content) // 1024} KB, {'streamed' if stream else 'whole'}"
            print(f"{name:<34}{base:>10.2f}{middle:>10.2f}{high:>10.2f}{middle / base:>8.1f}")


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


async def memory(requests: int) -> None:
    """Print the growth of a simulator's memory over many requests, each another conversation."""
    command = [sys.executable, "-m", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:  # noqa: ASYNC220  # nothing else runs
        try:
            assert program.stdout
            url = program.stdout.readline().split(" at ")[1].split(". ")[0]
            async with httpx2.AsyncClient(base_url=url, headers=HEADERS, timeout=60) as client:
                await ask(client, 0, 500)
                before = resident(program.pid)
                start = time.perf_counter()
                async with anyio.create_task_group() as group:
                    for worker in range(4):
                        group.start_soon(ask, client, 1_000_000 * (worker + 1), requests // 4)
                seconds = time.perf_counter() - start
            after = resident(program.pid)
        finally:
            program.terminate()
    print(f"{requests} requests in {seconds:.1f} s ({requests / seconds:.0f}/s over HTTP, 4 at once)")
    print(f"memory {before:.1f} MB -> {after:.1f} MB: {after - before:+.1f} MB (budget: +50 MB)")


async def ask(client: httpx2.AsyncClient, first: int, count: int) -> None:
    """Send so many different requests, one after the other, every second one streamed."""
    for number in range(first, first + count):
        asked = {
            "model": "claude-opus-5-5",
            "max_tokens": 500,
            "cache_control": {"type": "ephemeral"},
            "stream": number % 2 == 0,
            "tools": TOOLS[:5],
            "messages": [{"role": "user", "content": f'/call server__tool_1 {{"path": "{number}"}}\n' + "word " * 400}],
        }
        answer = await client.post("/v1/messages", json=asked)
        assert answer.status_code == 200, answer.text


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=10_000)
    chosen = options.parse_args()
    anyio.run(speed)
    anyio.run(memory, chosen.requests)


if __name__ == "__main__":
    main()
