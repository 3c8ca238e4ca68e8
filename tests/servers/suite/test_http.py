"""A server behind an HTTP port, as a real process."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitRequestParams, ElicitResult, TextContent

from tests.servers.suite.running import PATIENCE, SAMPLE, Served, appears, served

ALICE, BOB = "alice-and-her-token", "bob-and-his-own-token"
TIMEOUT = httpx2.Timeout(PATIENCE)
MODERN = {
    "MCP-Protocol-Version": "2026-07-28",
    "Accept": "application/json, text/event-stream",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "echo",
}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


STOPPED = 10  # seconds: five are promised, and a busy machine needs some to notice


def call(tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments, "_meta": ENVELOPE}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("notes")


@pytest.fixture(scope="module")
def server(notes: Path) -> Generator[Served]:
    """One server without tokens for all tests that do not change it."""
    with served([*SAMPLE, "--notes", str(notes), "--http", "127.0.0.1:0"]) as running:
        running.url()
        yield running


@asynccontextmanager
async def client(url: str, mode: str = "auto", token: str = "", **options: Any) -> AsyncGenerator[Client]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=TIMEOUT) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **options) as connected,
    ):
        yield connected


async def text(connected: Client, tool: str, arguments: dict[str, Any]) -> str:
    [block] = (await connected.call_tool(tool, arguments)).content
    assert isinstance(block, TextContent)
    return block.text


@contextmanager
def begun(running: Served, message: dict[str, Any]) -> Generator[None]:
    """Send a request and do not wait for its answer."""
    host, port = running.base().removeprefix("http://").split(":")
    body = json.dumps(message)
    head = {
        **MODERN,
        "Mcp-Name": message["params"]["name"],
        "Host": f"{host}:{port}",
        "Content-Type": "application/json",
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as wire:
        wire.sendall(f"POST /mcp HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        yield


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy", "2026-07-28"])
async def test_every_era_is_served(server: Served, mode: str) -> None:
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    with anyio.fail_after(PATIENCE):
        async with client(server.url(), mode) as connected:
            assert {tool.name for tool in (await connected.list_tools()).tools} >= {"echo", "count"}
            assert await text(connected, "echo", {"text": "Ünï"}) == "Ünï"
            await connected.call_tool("wait", {"seconds": 0.1}, progress_callback=on_progress)
    assert seen
    assert seen == sorted(seen)


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_a_cancelled_call_stops_the_work(server: Served, notes: Path, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with client(server.url(), mode) as connected:
            with pytest.raises(MCPError):
                await connected.call_tool("wait", {"seconds": 60, "name": mode}, read_timeout_seconds=0.3)
            await appears(notes / f"{mode}-cancelled")
            assert await text(connected, "echo", {"text": "next"}) == "next"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:9999"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:80"}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({"Mcp-Name": "count"}, 400),
    ],
)
def test_only_expected_requests_are_answered(server: Served, headers: dict[str, str], status: int) -> None:
    content = json.dumps(call("echo", {"text": "x"}))
    sent = {"Content-Type": "application/json", **MODERN, **headers}
    answer = httpx2.post(server.url(), content=content, headers=sent, timeout=TIMEOUT)
    assert answer.status_code == status, answer.text
    if "Mcp-Name" in headers:
        assert answer.json()["error"]["code"] == -32020
    if status == 200:
        assert answer.json()["result"]["content"][0]["text"] == "x"


def test_a_body_that_is_too_large_is_refused_and_the_next_request_works(server: Served) -> None:
    big = json.dumps(call("echo", {"text": "x" * 5_000_000}))
    headers = {"Content-Type": "application/json", **MODERN}
    assert httpx2.post(server.url(), content=big, headers=headers, timeout=TIMEOUT).status_code == 413
    small = json.dumps(call("echo", {"text": "x"}))
    assert httpx2.post(server.url(), content=small, headers=headers, timeout=TIMEOUT).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1e999999",
        b"\xff\xfe",
        b"{" * 100_000,
        b"[" * 1_000_000,
        b'{"jsonrpc":"2.0"}',
        b'{"id":' + b"9" * 5_000,
    ],
    ids=["empty", "null", "batch", "number", "bytes", "braces", "brackets", "half", "long number"],
)
@pytest.mark.parametrize("headers", [MODERN, {"Accept": MODERN["Accept"]}], ids=["modern", "old"])
def test_no_body_breaks_it(server: Served, headers: dict[str, str], body: bytes) -> None:
    sent = {"Content-Type": "application/json", **headers}
    assert 400 <= httpx2.post(server.url(), content=body, headers=sent, timeout=TIMEOUT).status_code < 500
    good = httpx2.post(server.url(), json=call("echo", {"text": "x"}), headers=MODERN, timeout=TIMEOUT)
    assert good.status_code == 200


def test_sessions_are_bounded_and_who_needs_none_is_still_served(notes: Path) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    command = [*SAMPLE, "--notes", str(notes), "--http", "127.0.0.1:0", "--sessions", "20"]
    with served(command) as running, httpx2.Client(timeout=TIMEOUT, headers=headers) as http:
        statuses = [http.post(running.url(), json=hello).status_code for _ in range(30)]
        assert statuses == [200] * 20 + [503] * 10
        assert http.post(running.url(), json=call("echo", {"text": "x"}), headers=MODERN).status_code == 200


def test_health_and_readiness_need_nothing_and_tell_no_secret(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(ALICE)
    command = [*SAMPLE, "--notes", str(notes), "--http", "127.0.0.1:0", "--token-file", str(tmp_path / "tokens")]
    with served(command) as running:
        health = httpx2.get(f"{running.base()}/healthz", timeout=TIMEOUT)
        ready = httpx2.get(f"{running.base()}/readyz", timeout=TIMEOUT)
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "servers": ["sample"]})


@pytest.mark.anyio
async def test_only_who_has_a_token_is_served_and_sessions_belong_to_it(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"alice:{ALICE}\nbob:{BOB}\n")
    command = [*SAMPLE, "--notes", str(notes), "--http", "127.0.0.1:0", "--token-file", str(tmp_path / "tokens")]
    with served(command) as running, anyio.fail_after(2 * PATIENCE):
        url = running.url()
        for token in ("", "wrong-token-entirely", ALICE[:-1]):
            headers = {**MODERN, **({"Authorization": f"Bearer {token}"} if token else {})}
            refusal = httpx2.post(url, json=call("echo", {"text": "x"}), headers=headers, timeout=TIMEOUT)
            assert refusal.status_code == 401
            assert refusal.headers["WWW-Authenticate"].startswith("Bearer")
        for mode in ("legacy", "2026-07-28"):
            async with client(url, mode, ALICE) as connected:
                assert await text(connected, "echo", {"text": mode}) == mode
        hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
        headers = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {ALICE}"}
        session = httpx2.post(url, json=hello, headers=headers, timeout=TIMEOUT).headers["Mcp-Session-Id"]
        stolen = {**headers, "Authorization": f"Bearer {BOB}", "Mcp-Session-Id": session}
        listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert httpx2.post(url, json=listing, headers=stolen, timeout=TIMEOUT).status_code == 404
        running.stop()
        audits = [json.loads(line) for line in running.lines if line.startswith('{"audit"')]
    assert [line["principal"] for line in audits] == ["alice", "alice"]


@pytest.mark.anyio
async def test_each_client_has_a_rate_of_its_own(notes: Path, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"alice:{ALICE}\nbob:{BOB}\n")
    command = [*SAMPLE, "--notes", str(notes), "--http", "127.0.0.1:0", "--token-file", str(tmp_path / "tokens")]
    with served([*command, "--rate", "0.001/2"]) as running, anyio.fail_after(PATIENCE):
        async with client(running.url(), token=ALICE) as alice, client(running.url(), token=BOB) as bob:
            answers = [await text(alice, "echo", {"text": "a"}) for _ in range(3)]
            assert answers[:2] == ["a", "a"]
            assert answers[2].startswith("unavailable: too many calls in a short time. Try again in ")
            assert await text(bob, "echo", {"text": "b"}) == "b"


@pytest.mark.anyio
async def test_a_web_page_may_call_only_from_an_allowed_origin(notes: Path) -> None:
    page = "https://app.example"
    with served([*SAMPLE, "--notes", str(notes), "--http", "127.0.0.1:0", "--allow-origin", page]) as running:
        asked = {"Origin": page, "Access-Control-Request-Method": "POST"}
        allowed = httpx2.options(running.url(), headers=asked, timeout=TIMEOUT)
        refused = httpx2.options(running.url(), headers={**asked, "Origin": "https://evil.example"}, timeout=TIMEOUT)
        called = httpx2.post(
            running.url(), json=call("echo", {"text": "x"}), headers={**MODERN, "Origin": page}, timeout=TIMEOUT
        )
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, page)
    assert refused.status_code == 400
    assert (called.status_code, called.headers["Access-Control-Allow-Origin"]) == (200, page)


@pytest.mark.anyio
async def test_it_stops_in_time_with_open_listen_streams_and_running_calls(tmp_path: Path) -> None:
    with served([*SAMPLE, "--notes", str(tmp_path), "--http", "127.0.0.1:0"]) as running, anyio.fail_after(PATIENCE):
        url = running.url()
        async with client(url, "2026-07-28") as modern, modern.listen(tools_list_changed=True) as changes:
            start = time.monotonic()
            running.process.terminate()
            assert [change async for change in changes] == [], "the stream ended, it did not break"
            code = await anyio.to_thread.run_sync(running.process.wait, PATIENCE)
            took = time.monotonic() - start
    assert code == 0
    assert took < STOPPED
    assert (tmp_path / "closed").exists()


@pytest.mark.anyio
async def test_a_call_that_ends_soon_is_answered_while_it_stops(tmp_path: Path) -> None:
    with served([*SAMPLE, "--notes", str(tmp_path), "--http", "127.0.0.1:0"]) as running, anyio.fail_after(PATIENCE):
        url = running.url()

        async def stop() -> None:
            await appears(tmp_path / "wait-started")
            running.process.terminate()

        async with httpx2.AsyncClient(timeout=TIMEOUT) as http, anyio.create_task_group() as tasks:
            tasks.start_soon(stop)
            body = call("wait", {"seconds": 1})
            answer = await http.post(url, json=body, headers={**MODERN, "Mcp-Name": "wait"})
            assert answer.json()["result"]["content"][0]["text"] == "waited"
        assert await anyio.to_thread.run_sync(running.process.wait, PATIENCE) == 0


def test_a_crowd_of_idle_connections_shuts_nobody_out(server: Served) -> None:
    host, port = server.base().removeprefix("http://").split(":")
    with contextlib.ExitStack() as crowd:
        for _ in range(500):
            wire = crowd.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE))
            wire.sendall(b"POST /mcp HTTP/1.1\r\n")  # and nothing more
        answer = httpx2.post(server.url(), json=call("echo", {"text": "x"}), headers=MODERN, timeout=TIMEOUT)
    assert answer.status_code == 200


@pytest.mark.parametrize("tool", ["wait", "block"])
def test_it_stops_in_time_with_an_old_client_connected_whatever_runs(tmp_path: Path, tool: str) -> None:
    hello = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": HELLO}
    headers = {"Accept": "application/json, text/event-stream"}
    with (
        served([*SAMPLE, "--notes", str(tmp_path), "--http", "127.0.0.1:0"]) as running,
        httpx2.Client(timeout=TIMEOUT, headers=headers) as http,
    ):
        http.headers["Mcp-Session-Id"] = http.post(running.url(), json=hello).headers["Mcp-Session-Id"]
        with http.stream("GET", running.url()) as stream, begun(running, call(tool, {"seconds": 600})):
            assert stream.status_code == 200
            anyio.run(appears, tmp_path / f"{tool}-started")
            start = time.monotonic()
            assert running.stop() == 0
            assert time.monotonic() - start < STOPPED
    assert (tmp_path / "wait-cancelled").exists() == (tool == "wait")
    assert (tmp_path / "closed").exists(), "the cleanup ran"


@pytest.mark.anyio
@pytest.mark.parametrize("shared", [True, False])
async def test_replicas_that_share_keys_serve_one_anothers_questions(tmp_path: Path, shared: bool) -> None:
    """The question is asked by one replica, the answer goes to the other."""
    keys = tmp_path / "keys"
    keys.write_text("k" * 40 + "\n")
    command = [*SAMPLE, "--notes", str(tmp_path), "--http", "127.0.0.1:0"]
    options = ["--state-key-file", str(keys)] if shared else []

    async def elicited(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    with served([*command, *options]) as first, served([*command, *options]) as second, anyio.fail_after(PATIENCE):
        turns = [first.url(), second.url()]

        async def alternate(request: httpx2.Request) -> None:
            if request.headers.get("Mcp-Method") == "tools/call":
                turns.append(turns.pop(0))
                request.url = httpx2.URL(turns[0])

        async with httpx2.AsyncClient(timeout=TIMEOUT, event_hooks={"request": [alternate]}) as http:
            transport = streamable_http_client(first.url(), http_client=http)
            async with Client(transport, mode="2026-07-28", elicitation_callback=elicited) as connected:
                await connected.list_tools()
                if shared:
                    assert await text(connected, "remove", {"count": 2}) == "removed 2"
                    page = await connected.call_tool("count", {"to": 15})
                    assert page.structured_content is not None
                    rest = await connected.call_tool("count", {"to": 15, "cursor": page.structured_content["next"]})
                    assert rest.structured_content is not None
                    assert rest.structured_content["numbers"] == [10, 11, 12, 13, 14]
                else:
                    with pytest.raises(MCPError, match="requestState"):
                        await connected.call_tool("remove", {"count": 2})


def test_a_port_that_is_taken_is_a_sentence_and_not_a_crash(server: Served, notes: Path) -> None:
    where = server.base().removeprefix("http://")
    with served([*SAMPLE, "--notes", str(notes), "--http", where]) as second:
        assert second.process.wait(PATIENCE) == 2
        second.line(rf"^mcp-sample: {where} cannot be listened on: address already in use. Choose another")
