"""A server that cannot be used says why: phase, command, end, last words, next step."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from orchestrator.config import ServerConfig
from orchestrator.ports import ServerStatus
from tests.orchestrator.tools.boxes import FIXTURES, bare, free_port, opened, said_by, served, status_of, until

pytestmark = pytest.mark.anyio


def plain_file(folder: Path) -> ServerConfig:
    program = folder / "program"
    program.write_text("#!/bin/sh\n")
    return ServerConfig(command=str(program))


# What is broken, the phase it is found in, and what only its report says.
BROKEN: list[tuple[str, Callable[[Path], ServerConfig], str, str]] = [
    ("misspelt", lambda _: ServerConfig(command="pythn3"), "spawn", "was not found in .*next: .*'python3'"),
    ("not-executable", plain_file, "spawn", "is not executable"),
    ("no-folder", lambda folder: bare(cwd=str(folder / "gone")), "config", "gone' does not exist"),
    ("dies", lambda _: bare("dies"), "negotiate", "process: exit code 3.*No module named 'shop'"),
    ("killed", lambda _: bare("killed"), "negotiate", "process: signal SIGKILL"),
    (
        "deaf",
        lambda _: bare("deaf", connect_timeout=6),
        "negotiate",
        "did not answer within 6 seconds.*connect_timeout",
    ),
    (
        "junk",
        lambda _: bare("junk", connect_timeout=6),
        "negotiate",
        "other text than MCP.*Listening on http://localhost",
    ),
    ("list-fails", lambda _: bare("list-fails"), "list", "the catalogue burnt down"),
    (
        "nobody",
        lambda _: ServerConfig(url=f"http://127.0.0.1:{free_port()}/mcp"),
        "negotiate",
        "nothing answers at its",
    ),
]


async def test_nine_broken_servers_give_nine_different_reports_and_stop_nobody(tmp_path: Path) -> None:
    servers = {"fine": bare(), **{name: make(tmp_path) for name, make, _, _ in BROKEN}}
    reports: dict[str, ServerStatus] = {}
    async with opened(tmp_path, **servers) as box:
        reports = {status.name: status for status in box.servers()}
        assert await said_by(box, "fine__echo", text="still here") == "still here"
        assert reports["fine"].problem == ""
    for name, _, phase, special in BROKEN:
        status = reports[name]
        assert (status.state, status.tools) == ("failed", 0), status
        assert status.problem.startswith(f"{name}: ")
        assert f"(phase: {phase})" in status.problem, status.problem
        assert re.search(special, status.problem, re.DOTALL), status.problem
        assert "\n  next: " in status.problem
        others = [other.problem for other in reports.values() if other.name != name]
        assert status.problem.partition(": ")[2] not in [other.partition(": ")[2] for other in others]


async def test_wrong_paths_and_missing_tokens_are_told_apart_over_http(tmp_path: Path) -> None:
    problem, port = "", free_port()
    async with served(port):
        url = f"http://user:hunter22@127.0.0.1:{port}"
        wrong = ServerConfig(url=f"{url}/nothing?key=abc", headers={"X-Key": "a-secret-value"})
        async with opened(tmp_path, wrong=wrong) as box:
            problem = status_of(box, "wrong").problem
    assert "nothing speaks MCP at this path (HTTP 404)" in problem
    assert f"address: http://127.0.0.1:{port}/nothing?..." in problem
    assert "hunter22" not in problem


async def test_a_refused_token_is_a_matter_of_auth(tmp_path: Path) -> None:
    async def refuse(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    problem = ""
    async with listener, anyio.create_task_group() as serving:
        serving.start_soon(listener.serve, refuse)
        async with opened(tmp_path, shut=ServerConfig(url=f"http://127.0.0.1:{port}/mcp")) as box:
            problem = status_of(box, "shut").problem
        serving.cancel_scope.cancel()
    assert "(phase: auth)" in problem
    assert "HTTP 401" in problem
    assert "`headers`" in problem


async def test_reports_hide_the_values_of_variables_and_of_secret_options(tmp_path: Path) -> None:
    script = "import os, sys; sys.stderr.write('using ' + os.environ['KEY']); sys.exit(1)"
    leaky = ServerConfig(
        command=sys.executable,
        args=("-S", "-c", script, "--api-key", "option-secret", "--token=other-secret"),
        env={"KEY": "value-secret"},
    )
    problem = ""
    async with opened(tmp_path, leaky=leaky) as box:
        problem = status_of(box, "leaky").problem
    assert "using ***" in problem
    assert not [word for word in ("option-secret", "other-secret", "value-secret") if word in problem]


async def test_a_call_to_a_server_that_cannot_start_says_so_and_tries_it_again_later(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = (
        f"import pathlib, runpy, sys\npathlib.Path({str(gate)!r}).exists() or sys.exit('shut')\n"
        f"sys.argv = ['bare']\nrunpy.run_path({str(FIXTURES / 'bare.py')!r})"
    )
    gated = ServerConfig(command=sys.executable, args=("-S", "-c", script))
    gate.touch()
    async with opened(tmp_path, gated=gated):
        pass
    gate.unlink()
    async with opened(tmp_path, gated=gated) as box:
        said = await said_by(box, "gated__echo", text="hello")
        assert said.startswith("not called: the server cannot be used now.\ngated: its process ended")
        assert "shut" in said
        gate.touch()
        with anyio.fail_after(60):
            while (said := await said_by(box, "gated__echo", text="hello")) != "hello":
                await anyio.lowlevel.checkpoint()
        assert said == "hello"


async def test_a_server_whose_process_ended_later_says_so(tmp_path: Path) -> None:
    problem = ""
    async with opened(tmp_path, bare=bare()) as box:
        assert "outcome unknown" in await said_by(box, "bare__die")

        def told() -> str:
            nonlocal problem
            problem = status_of(box, "bare").problem
            return problem

        await until(told)
    assert "its process ended after it had been ready (phase: call)" in problem
    assert "exit code 7" in problem
    assert "the floor gave way" in problem
