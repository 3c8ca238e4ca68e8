"""The worker process: given back when a call is cancelled, gone when its server is, blind to the operator's secrets."""

from __future__ import annotations

import sys

import anyio
import psutil
import pytest
from mcp import Client, StdioServerParameters

from servers.fetch.kinds import Kind
from servers.fetch.views import Source, View
from servers.fetch.workshop import Workshop
from tests.attacks.fetch.bombs import MARKUP
from tests.servers.fetch.reading import body, fetch
from tests.servers.fetch.site import answer, serving

pytestmark = pytest.mark.anyio
ENDLESS = Source(MARKUP["hidden in hidden"], Kind.HTML, None, "http://a.example/")
SHORT = Source(b"<p>short", Kind.HTML, None, "http://a.example/")


def workers(of: psutil.Process) -> list[psutil.Process]:
    """Return the worker processes below a process."""
    return [child for child in of.children(recursive=True) if "servers.fetch.worker" in child.cmdline()]


async def test_a_cancelled_page_frees_the_worker_for_the_next() -> None:
    workshop = Workshop()
    try:
        with anyio.move_on_after(0.3) as given_up:
            await workshop.render(ENDLESS, View())
        assert given_up.cancelled_caught
        with anyio.fail_after(5):
            assert (await workshop.render(SHORT, View())).text == "short"
    finally:
        await workshop.close()
    assert workers(psutil.Process()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="a child that dies with its parent (PR_SET_PDEATHSIG) is Linux's")
async def test_no_worker_outlives_a_server_that_was_killed() -> None:
    program = [sys.executable, "-m", "servers.fetch", "--allow-cidr", "127.0.0.1/32"]
    async with serving({"/": answer("<p>x")}) as site:
        async with Client(StdioServerParameters(command=program[0], args=program[1:])) as client:
            assert body(await fetch(client, site.url())) == "x"
            (worker,) = workers(psutil.Process())
            server = worker.parent()
            assert server is not None
            server.kill()
            gone, alive = await anyio.to_thread.run_sync(psutil.wait_procs, [worker], 5)
        assert [process.pid for process in gone] == [worker.pid]
        assert alive == []


@pytest.mark.skipif(sys.platform != "linux", reason="the environment of another process can be read on Linux")
async def test_the_worker_does_not_know_the_operators_keys() -> None:
    program = StdioServerParameters(
        command=sys.executable,
        args=["-m", "servers.fetch", "--allow-cidr", "127.0.0.1/32"],
        env={"BRAVE_API_KEY": "k3y", "TAVILY_API_KEY": "t0ken"},
    )
    async with serving({"/": answer("<p>x")}) as site, Client(program) as client:
        assert body(await fetch(client, site.url())) == "x"
        (worker,) = workers(psutil.Process())
        environment = worker.environ()
    assert not {"k3y", "t0ken"} & set(environment.values())
    assert "BRAVE_API_KEY" not in environment
