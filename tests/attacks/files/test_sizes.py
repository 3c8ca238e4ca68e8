"""F27, F44, F48 and their class against the real program: nothing makes it hang, exit, or grow beyond 120 MB."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
import pytest

from tests.servers.suite.running import served
from tests.servers.suite.test_http import ENVELOPE, MODERN

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]
MOST_MEMORY = 120 * 1024 * 1024
HANDSHAKE = "2025-11-25"
USER: dict[str, Any] = {"elicitation/create": {"action": "accept", "content": {"agree": True}}}


@dataclass
class Raw:
    """The program, and lines of JSON to and from it."""

    process: anyio.abc.Process
    rest: bytes = b""
    last: int = 0

    async def ask(self, method: str, params: dict[str, Any], answers: dict[str, Any] = USER) -> dict[str, Any]:
        """Send a request and return its answer; requests of the server are answered out of `answers`."""
        self.last += 1
        await self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params})
        with anyio.fail_after(30):
            while True:
                message = json.loads(await self.line())
                if message.get("id") == self.last and "method" not in message:
                    return message
                if "method" in message and "id" in message:
                    reply = answers.get(message["method"])
                    body = {"error": {"code": -32601, "message": "no"}} if reply is None else {"result": reply}
                    await self.send({"jsonrpc": "2.0", "id": message["id"], **body})

    async def tool(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and return its result, or the error in the place of one."""
        answer = await self.ask("tools/call", {"name": name, "arguments": arguments})
        return answer.get("result") or {"isError": True, "content": [{"type": "text", "text": str(answer["error"])}]}

    async def send(self, message: dict[str, Any]) -> None:
        await self.send_bytes(json.dumps(message).encode() + b"\n")

    async def send_bytes(self, raw: bytes) -> None:
        assert self.process.stdin is not None
        with anyio.fail_after(30):
            await self.process.stdin.send(raw)

    async def line(self) -> bytes:
        assert self.process.stdout is not None
        pieces = [self.rest]
        while b"\n" not in pieces[-1]:
            pieces.append(await self.process.stdout.receive(1 << 20))
        line, _, self.rest = b"".join(pieces).partition(b"\n")
        return line

    @property
    def peak(self) -> int:
        """The most memory that the program ever held, in bytes."""
        return peak_of(self.process.pid)


def peak_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


@asynccontextmanager
async def program(root: Path, *more: str, roots: bool = False) -> AsyncGenerator[Raw]:
    command = [sys.executable, "-m", "servers.files", f"A={root}:rw", "--confirm=allow", "--log-level=error", *more]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as process:
        raw = Raw(process)
        capabilities = {"roots": {"listChanged": True}} if roots else {"elicitation": {}}
        client = {"name": "attacker", "version": "1"}
        begun = await raw.ask(
            "initialize", {"protocolVersion": HANDSHAKE, "capabilities": capabilities, "clientInfo": client}
        )
        assert begun["result"]["serverInfo"]["name"] == "files"
        await raw.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        yield raw
        process.terminate()


async def works(raw: Raw) -> None:
    answer = await raw.tool("fs_read", path="ok.txt")
    assert "fine" in answer["content"][0]["text"]


def text_of(answer: dict[str, Any]) -> str:
    return "\n".join(block.get("text", "") for block in answer["content"])


async def test_f44_a_message_of_30_mb_is_refused_and_the_server_stays(ground: Any) -> None:
    async with program(ground.root) as raw:
        answer = await raw.tool("fs_write", path="big", content="x" * 30_000_000)
        assert "too_large" in text_of(answer)
        assert (await raw.tool("fs_write", path="big", content="x" * 5_000_001))["isError"]
        assert not (ground.root / "big").exists()
        assert not (await raw.tool("fs_write", path="big", content="x" * 5_000_000)).get("isError")
        await works(raw)
        assert raw.peak <= MOST_MEMORY, raw.peak


async def test_f48_roots_of_the_client_open_nothing(ground: Any) -> None:
    async with program(ground.root, roots=True) as raw:
        answers = {"roots/list": {"roots": [{"uri": "file:///", "name": "all"}, {"uri": f"file://{ground.outside}"}]}}
        await raw.send({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})
        for path in (f"{ground.outside}/secret.txt", "../O/secret.txt", "/etc/passwd"):
            answer = await raw.ask("tools/call", {"name": "fs_read", "arguments": {"path": path}}, answers)
            assert answer["result"]["isError"]
            assert ground.canary not in json.dumps(answer)
        await works(raw)


async def test_a_quota_ends_what_is_written(ground: Any) -> None:
    async with program(ground.root, "--quota=1") as raw:
        answers = [await raw.tool("fs_write", path=f"{number}", content="x" * 400_000) for number in range(4)]
        assert [bool(answer.get("isError")) for answer in answers] == [False, False, True, True]
        assert "too_large" in text_of(answers[-1])
        await works(raw)


async def test_malformed_messages_do_not_end_the_program(ground: Any) -> None:
    async with program(ground.root) as raw:
        deep = b'{"jsonrpc":"2.0","id":7000,"method":"tools/call","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
        for line in (b"\n", b"null\n", b"{\n", b"\xff\xfe\n", b"[]\n", b'"x"\n', deep):
            await raw.send_bytes(line)
        await works(raw)
        assert raw.peak <= MOST_MEMORY, raw.peak


def large_files(root: Path) -> None:
    """Files that are each as large, or as odd, as one can be to be worked on."""
    with open(root / "giant", "wb") as file:
        file.truncate(300 * 1024 * 1024)
    with open(root / "giant.txt", "wb") as file:
        file.write(b"line\n" * 2_000_000)
        file.truncate(64 * 1024 * 1024)
    (root / "feeds").write_bytes(b"\n" * 4_900_000)
    (root / "mixed").write_bytes(b"a\r\nb\n" * 40_000)
    (root / "wide").write_bytes("é\n".encode("utf-32") * 900_000)
    (root / "one-line").write_bytes(b"needle " * 1_400_000)
    (root / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(4_900_000))
    (root / "sound.wav").write_bytes(b"RIFF\0\0\0\0WAVE" + b"\0" * 4_900_000)
    (root / "odd").write_bytes(os.urandom(2_000_000).replace(b"\0", b"\xe9"))
    (root / "escapes").write_bytes(b"\x1b[31m\x07\xe2\x80\xae" * 130_000)
    (root / "bomb.pdf").write_bytes(b"%PDF-1.7\n" + b"1 0 obj<<" * 2_000_000)


async def test_no_call_makes_the_program_grow_beyond_120_mb(ground: Any) -> None:
    large_files(ground.root)
    crowd = ground.root / "crowd"
    crowd.mkdir()
    for number in range(8_000):
        os.close(os.open(crowd / f"{number:05}-{'n' * 60}", os.O_CREAT))
    names = ["giant", "giant.txt", "feeds", "mixed", "wide", "one-line", "odd", "escapes", "bomb.pdf"]
    most = {"max_bytes": 1024 * 1024, "max_lines": 100_000}
    async with program(ground.root) as raw:
        peaks: dict[str, int] = {}
        for name in [*names, "picture.png", "sound.wav"]:
            for how in ("auto", "text", "base64"):
                await raw.tool("fs_read", path=name, **{"as": how}, **most)
            await raw.tool("fs_read", path=name, start_line=1_900_000, **most)
            await raw.tool("fs_read", path=name, tail=100_000, numbers=True, **{"as": "text"}, **most)
            await raw.tool("fs_info", path=name, hash=True)
            await raw.tool("fs_edit", path=name, edits=[{"old": "\n", "new": "\n\n", "count": 40_000}])
            await raw.tool("fs_edit", path=name, edits=[{"old": "needlf", "new": "x"}] * 50)
            await raw.ask("resources/read", {"uri": f"files://A/{name}"})
            peaks[name] = raw.peak
        await raw.tool("fs_read", paths=[*names, *names], **most)
        for query in ("needle", "line", "(?i)n.*e", "é", "x"):
            await raw.tool("fs_search", query=query, regex=True, context=5, limit=1000)
        peaks["search"] = raw.peak
        for sort in ("name", "size", "mtime"):
            await raw.tool("fs_list", path="crowd", sort=sort, limit=2000, depth=8)
        await raw.tool("fs_search", query="n", **{"in": "name"}, limit=1000)
        await raw.tool("fs_move", src="crowd", dst="copied", copy=True)
        await raw.tool("fs_delete", path="crowd", recursive=True)
        peaks["crowd"] = raw.peak
        await works(raw)
        assert raw.peak <= MOST_MEMORY, peaks


async def crowd(raw: Raw, name: str, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Call a tool many times without waiting for an answer; the results as they come."""
    numbers = range(10_000, 10_000 + len(calls))

    async def ask() -> None:
        for number, arguments in zip(numbers, calls, strict=True):
            params = {"name": name, "arguments": arguments}
            await raw.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})

    answers: list[dict[str, Any]] = []
    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while len(answers) < len(calls):
                answers.append(json.loads(await raw.line()))
    assert {answer["id"] for answer in answers} == set(numbers)
    return [answer["result"] for answer in answers]


CROWDS: dict[str, tuple[str, dict[str, Any]]] = {
    "pictures": ("fs_read", {"path": "picture.png"}),
    "texts": ("fs_read", {"path": "giant.txt", "max_bytes": 1024 * 1024, "max_lines": 100_000}),
    "writes": ("fs_write", {"path": "new", "content": "x" * 5_000_000, "mode": "overwrite"}),
}


@pytest.mark.parametrize(("tool", "arguments"), CROWDS.values(), ids=CROWDS.keys())
async def test_no_crowd_of_calls_makes_the_program_grow_beyond_120_mb(
    ground: Any, tool: str, arguments: dict[str, Any]
) -> None:
    large_files(ground.root)
    async with program(ground.root) as raw:
        results = await crowd(raw, tool, [arguments] * 24)
        refused = [text_of(result) for result in results if result.get("isError")]
        assert {said.partition(":")[0] for said in refused} <= {"timeout"}, "on a busy machine some may wait too long"
        assert len(refused) < len(results)
        await works(raw)
        assert raw.peak <= MOST_MEMORY, raw.peak


@pytest.mark.parametrize("tool", ["fs_read", "fs_write"])
async def test_no_crowd_of_http_clients_makes_the_program_grow_beyond_120_mb(ground: Any, tool: str) -> None:
    large_files(ground.root)
    content = {"path": "new", "content": "x" * 4_000_000, "mode": "overwrite"}
    arguments = content if tool == "fs_write" else {"path": "picture.png"}
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    body["params"] = {"name": tool, "arguments": arguments, "_meta": ENVELOPE}
    headers = {**MODERN, "Mcp-Name": tool, "Content-Type": "application/json"}
    packed, sizes = json.dumps(body).encode(), list[int]()
    command = [sys.executable, "-m", "servers.files", f"A={ground.root}:rw", "--confirm=allow", "--http=127.0.0.1:0"]
    with served(command) as running, anyio.fail_after(120):
        url = running.url()

        async def call(http: httpx2.AsyncClient) -> None:
            answer = await http.post(url, content=packed, headers=headers)
            assert answer.status_code == 200
            sizes.append(len(answer.content))

        async with httpx2.AsyncClient(timeout=100) as http, anyio.create_task_group() as tasks:
            for _ in range(24):
                tasks.start_soon(call, http)
        peak = peak_of(running.process.pid)
    assert len(sizes) == 24
    assert peak <= MOST_MEMORY, peak
