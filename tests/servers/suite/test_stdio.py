"""A server on standard input and output, as a real process."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import IO, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.types import TextContent

from servers.pipes import LONGEST_MESSAGE
from tests.servers.suite.running import HOUSE, PATIENCE, SAMPLE, Served, appears, served

if sys.platform == "linux":
    import fcntl
    from fcntl import F_SETPIPE_SZ

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


class Raw:
    """Writes lines to a server and reads lines from it, exactly as they are."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.ask(0, "initialize", HELLO)

    def write(self, text: str) -> None:
        assert self.server.process.stdin is not None
        self.server.process.stdin.write(text + "\n")
        self.server.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.server.process.stdout is not None
        return json.loads(self.server.process.stdout.readline())

    def ask(self, number: int, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        self.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, ensure_ascii=False))
        answer = self.read()
        assert answer["id"] == number
        return answer

    def echo(self, number: int, text: str) -> str:
        answer = self.ask(number, "tools/call", {"name": "echo", "arguments": {"text": text}})
        return answer["result"]["content"][0]["text"]


def sample(notes: Path, *more: str) -> list[str]:
    return [*SAMPLE, "--notes", str(notes), *more]


def client(notes: Path, mode: str, *more: str) -> Client:
    command, *arguments = sample(notes, *more)
    parameters = StdioServerParameters(command=command, args=arguments)
    return Client(stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr), mode=mode)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_every_era_is_served(tmp_path: Path, mode: str) -> None:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    with anyio.fail_after(PATIENCE):
        async with client(tmp_path, mode) as connected:
            assert {tool.name for tool in (await connected.list_tools()).tools} >= {"echo", "count"}
            [block] = (await connected.call_tool("echo", {"text": "Ünï\n"})).content
            assert isinstance(block, TextContent)
            assert block.text == "Ünï\n"
            await connected.call_tool("wait", {"seconds": 0.05}, progress_callback=on_progress)
    assert seen == sorted(seen)
    assert seen


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_cancelled_call_stops_the_work(tmp_path: Path, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with client(tmp_path, mode) as connected:
            with pytest.raises(MCPError):
                await connected.call_tool("wait", {"seconds": 60}, read_timeout_seconds=0.3)
            await appears(tmp_path / "wait-cancelled")
            assert (await connected.call_tool("echo", {"text": "next"})).content


def test_standard_output_carries_nothing_but_the_protocol(tmp_path: Path) -> None:
    with served(sample(tmp_path, "--log-level", "debug")) as server:
        raw = Raw(server)
        assert [raw.echo(number, "stray") for number in range(1, 4)] == ["stray"] * 3
        assert server.process.stdin is not None
        assert server.process.stdout is not None
        server.process.stdin.close()
        assert server.process.stdout.read() == ""
        assert server.process.wait(PATIENCE) == 0
        server.line("a stray line on standard output")


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(tmp_path: Path, asked: signal.Signals) -> None:
    with served(sample(tmp_path)) as server:
        Raw(server).echo(1, "x")
        server.process.send_signal(asked)
        assert server.process.wait(PATIENCE) == 0
    assert (tmp_path / "closed").exists()


def test_a_client_that_leaves_stops_it_cleanly(tmp_path: Path) -> None:
    with served(sample(tmp_path)) as server:
        Raw(server).echo(1, "x")
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(PATIENCE) == 0
    assert (tmp_path / "closed").exists()


def test_a_thread_that_cannot_be_cancelled_does_not_keep_it_alive(tmp_path: Path) -> None:
    folders = [tmp_path / "signal", tmp_path / "leaving"]
    for folder in folders:
        folder.mkdir()
    with served(sample(folders[0])) as told, served(sample(folders[1])) as left:
        call = {"name": "block", "arguments": {"seconds": 120}}
        for server in (told, left):
            Raw(server).write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}))
        for folder in folders:
            anyio.run(appears, folder / "block-started")
        told.process.terminate()
        assert left.process.stdin is not None
        left.process.stdin.close()
        assert [told.process.wait(60), left.process.wait(60)] == [0, 0], "they did not wait for the thread"


def test_a_client_that_closes_what_it_reads_from_has_left(tmp_path: Path) -> None:
    with served(sample(tmp_path)) as server:
        raw = Raw(server)
        assert server.process.stdout is not None
        server.process.stdout.close()
        raw.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}))
        assert server.process.wait(PATIENCE) == 0
        assert not [line for line in server.lines if "Traceback" in line]
    assert (tmp_path / "closed").exists()


def test_standard_input_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "in").write_text(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}))
    with (tmp_path / "in").open() as wire:
        done = subprocess.run(
            sample(tmp_path), stdin=wire, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    assert done.returncode == 0
    assert json.loads(done.stdout)["id"] == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="there is no /proc to read the peak memory from")
def test_no_message_takes_much_memory(tmp_path: Path) -> None:
    line = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"echo","arguments":{"%s":"%s"}}}'
    with served(sample(tmp_path)) as server:
        raw = Raw(server)
        for argument, size in [("text", 64_000_000), ("text", LONGEST_MESSAGE - 200), ("wrong", LONGEST_MESSAGE - 200)]:
            raw.write(line % (1, argument, "x" * size))
            assert raw.read()["id"] == 1
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    assert peak <= 120, f"{peak} MB"


def test_a_message_that_is_too_long_is_answered_and_the_next_call_works(tmp_path: Path) -> None:
    ahead = '{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":"echo","arguments":{"id":9,"text":"%s"}}}'
    behind = '{"method":"tools/call","params":{"name":"echo","arguments":{"id":9,"text":"%s"}},"jsonrpc":"2.0","id":%s}'
    text = "x" * (LONGEST_MESSAGE + 1_000_000)
    with served(sample(tmp_path)) as server:
        raw = Raw(server)
        for line, number in [(ahead % (7, text), 7), (ahead % ('"seven"', text), "seven"), (behind % (text, 8), 8)]:
            raw.write(line)
            answer = raw.read()
            assert answer["id"] == number
            assert answer["error"]["code"] == -32600
            assert answer["error"]["message"].startswith(f"too_large: the message has {len(line)} bytes")
            assert raw.echo(1, "next") == "next"
        raw.write(text)  # no message at all: nobody to answer
        raw.write("")
        assert raw.echo(2, "next") == "next"
        raw.write("\n".join([ahead % (7, text), json.dumps({"jsonrpc": "2.0", "id": 3, "method": "ping"})]))
        assert [raw.read()["id"], raw.read()["id"]] == [7, 3]


@pytest.mark.parametrize(
    "line",
    [
        r'{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\ud800"}}}',
        r'{"method":"tools/call","params":{"name":"echo","arguments":{"text":"\udfff","id":9}},"jsonrpc":"2.0","id":5}',
        '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{"text":1e999999}',
        '{"jsonrpc":"2.0","id":5,"method":7,"params":{}}',
        '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":[1]}',
        '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":' + "[" * 5_000 + "}",
    ],
    ids=["half a pair", "other half", "broken off", "method", "params", "deep"],
)
def test_a_request_that_cannot_be_read_is_answered(tmp_path: Path, line: str) -> None:
    with served(sample(tmp_path)) as server:
        raw = Raw(server)
        raw.write(line)
        answer = raw.read()
        assert (answer["id"], answer["error"]["code"]) == (5, -32600)
        assert answer["error"]["message"].startswith("invalid: ")
        assert raw.echo(6, "next") == "next"


def test_a_long_message_passes_whole(tmp_path: Path) -> None:
    text = "ü" * 2_000_000
    with served(sample(tmp_path)) as server:
        assert Raw(server).echo(1, text) == text


JUNK = st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=("Cs",)), max_size=80)


def test_no_line_stops_it(tmp_path: Path) -> None:
    with served(sample(tmp_path)) as server:
        raw = Raw(server)

        @settings(max_examples=60, deadline=None)
        @given(JUNK)
        def write(line: str) -> None:
            raw.write(line)

        write()
        for line in ["{}", "[]", "null", '{"id":1}', '{"jsonrpc":"2.0","method":"x"}', "{" * 10_000, '"' * 999, "\x00"]:
            raw.write(line)
        raw.write(json.dumps({"jsonrpc": "2.0", "id": "last", "method": "ping"}))
        with_answer = raw.read()
        while with_answer.get("id") != "last":
            with_answer = raw.read()
        assert with_answer["result"] == {}


def test_a_client_that_never_reads_standard_error_does_not_stop_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        sample(tmp_path, "--audit-full"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        calls = [
            {
                "jsonrpc": "2.0",
                "id": number,
                "method": "tools/call",
                "params": {"name": "echo", "arguments": {"text": "y" * 5_000}},
            }
            for number in range(100)  # half a megabyte of audit lines; a pipe holds 64 KB
        ]
        for message in [{"jsonrpc": "2.0", "id": -1, "method": "initialize", "params": HELLO}, *calls]:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == message["id"]
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        process.stderr.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a pipe be made narrower (F_SETPIPE_SZ)")
def test_lines_through_a_full_pipe_that_does_not_wait_arrive_whole_and_in_order(tmp_path: Path) -> None:
    """A client may make its pipe non-blocking and narrow: then a write takes a part of a line, and the rest waits."""
    texts = [
        f"{number}:{'z' * size}" for number, size in enumerate((20_000, 10, 900_000, 5_000, 2_000_000, 100, 70_000))
    ]
    calls = [
        {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": text}}}
        for n, text in enumerate(texts)
    ]
    read_from, write_to = os.pipe()
    with open(read_from, "rb", buffering=0) as wire:
        os.set_blocking(write_to, False)
        process = subprocess.Popen(
            sample(tmp_path), stdin=subprocess.PIPE, stdout=write_to, stderr=subprocess.DEVNULL, cwd=HOUSE
        )
        os.close(write_to)
        with process:
            assert process.stdin is not None
            process.stdin.write(
                json.dumps({"jsonrpc": "2.0", "id": -1, "method": "initialize", "params": HELLO}).encode()
            )
            process.stdin.write(b"\n")
            process.stdin.flush()
            answers = map(json.loads, lines_of(wire))
            assert next(answers)["id"] == -1
            fcntl.fcntl(wire, F_SETPIPE_SZ, 4096)  # the server took it for a megabyte
            lines = "".join(json.dumps(call) + "\n" for call in calls).encode()
            asking = threading.Thread(target=process.stdin.write, args=(lines,))
            asking.start()
            answered = [next(answers) for _ in calls]
            asking.join(PATIENCE)
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
    assert [answer["id"] for answer in answered] == list(range(len(texts)))
    assert [answer["result"]["content"][0]["text"] for answer in answered] == texts


def lines_of(wire: IO[bytes]) -> Generator[bytes]:
    """Read line after line, a few bytes at a time."""
    held = b""
    while True:
        *whole, held = held.split(b"\n")
        yield from whole
        readable, _, _ = select.select([wire], [], [], PATIENCE)
        assert readable, f"nothing comes after {held[-100:]!r}"
        piece = wire.read(1_000)
        assert piece, "the server closed its standard output"
        held += piece


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--notes", "/nowhere"], "mcp-sample: --notes must name a folder.\n"),
        (
            ["--http", "nonsense"],
            "mcp-sample: --http takes HOST:PORT, for example 127.0.0.1:8000, and not 'nonsense'.\n",
        ),
    ],
)
def test_a_server_that_refuses_to_start_says_why_in_one_sentence(argv: list[str], sentence: str) -> None:
    done = subprocess.run([*SAMPLE, *argv], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


@pytest.mark.parametrize("options", [(), ("--http", "127.0.0.1:0")], ids=["stdio", "http"])
def test_a_server_may_refuse_while_it_starts(tmp_path: Path, options: tuple[str, ...]) -> None:
    (tmp_path / "refuse").touch()
    done = subprocess.run(
        sample(tmp_path, *options),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    refusal = "mcp-sample: The notes are not to be served. Remove the file named refuse.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", refusal)


def test_options_nobody_knows_are_a_usage_error() -> None:
    done = subprocess.run([*SAMPLE, "--nonsense"], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert "--nonsense" in done.stderr
