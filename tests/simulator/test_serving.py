"""The simulator inside another program: it starts, it stops, it leaves errors as they are."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import anthropic
import anyio
import httpx2
import pytest

from simulator.serving import Settings, running

pytestmark = pytest.mark.anyio


async def test_an_error_inside_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ValueError, match="mine"):
        async with running(Settings()):
            raise ValueError("mine")


async def test_after_the_block_nobody_answers_any_more() -> None:
    async with running(Settings()) as url, httpx2.AsyncClient() as client:
        assert (await client.get(f"{url}/healthz")).json() == {"status": "ok", "server": "simulator"}
    async with httpx2.AsyncClient() as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get(f"{url}/healthz")


async def heard(url: str, begun: anyio.Event) -> None:
    """Listen to a stream to its end."""
    ask: Any = [{"role": "user", "content": "hello"}]
    async with (
        anthropic.AsyncAnthropic(api_key="k", base_url=url, max_retries=0) as client,
        client.messages.stream(model="claude-opus-5-5", max_tokens=99, messages=ask) as stream,
    ):
        begun.set()
        await stream.get_final_message()


async def test_leaving_the_block_does_not_wait_for_a_slow_stream() -> None:
    begun = anyio.Event()

    async def listen(url: str) -> None:
        with pytest.raises(httpx2.TransportError):
            await heard(url, begun)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group, running(Settings(tokens_per_second=0.1)) as url:
            group.start_soon(listen, url)
            await begun.wait()


async def test_it_can_be_cancelled_from_outside() -> None:
    with anyio.fail_after(60):
        with anyio.CancelScope() as scope:
            async with running(Settings()):
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught


async def test_two_simulators_share_nothing() -> None:
    async with running(Settings(api_keys=frozenset({"a"}))) as first, running(Settings()) as second:
        assert first != second
        async with httpx2.AsyncClient(headers={"x-api-key": "b", "anthropic-version": "2026-10-21"}) as client:
            assert (await client.get(f"{first}/v1/models")).status_code == 401
            assert (await client.get(f"{second}/v1/models")).status_code == 200


async def test_a_port_that_is_taken_is_an_error_of_the_system() -> None:
    async with running(Settings()) as url:
        with pytest.raises(OSError, match="in use"):
            async with running(Settings(), port=int(url.rsplit(":", 1)[1])):
                pass


def test_naming_the_room_loads_nothing_heavy() -> None:
    script = (
        "import sys, simulator.serving\n"
        "assert not {'pydantic', 'starlette', 'uvicorn', 'yaml', 'jsonschema', 'mcp', 'anthropic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
