"""`web_fetch` as a client meets it."""

from __future__ import annotations

import re
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from servers.fetch.protocol.results import META
from servers.fetch.server import build
from servers.fetch.web import Settings
from tests.servers.fetch.site import OPEN, answer, serving

pytestmark = pytest.mark.anyio
FENCE = re.compile(r"<(untrusted-data-[0-9a-f]{16})>\n(.*)\n</\1>\n", re.DOTALL)


async def fetch(client: Client, **arguments: Any) -> CallToolResult:
    with anyio.fail_after(20):
        return await client.call_tool("web_fetch", arguments)


def text(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def body(result: CallToolResult) -> str:
    found = FENCE.search(text(result))
    return found.group(2) if found else ""


def facts(result: CallToolResult) -> dict[str, Any]:
    assert result.meta is not None
    return result.meta[META]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_page_comes_as_markdown_under_a_line_that_says_what_it_is(mode: Literal["auto", "legacy"]) -> None:
    page = answer("<title>Tea</title><h1>Tea</h1><p>From <a href='b'>Assam</a>.")
    async with serving({"/a": page}) as site, Client(build(OPEN), mode=mode) as client:
        result = await fetch(client, url=site.url("/a"))
    assert not result.is_error
    assert text(result).startswith(f"[{site.url('/a')} · 200 · text/html · chars 0-")
    assert body(result) == f"# Tea\n\nFrom [Assam]({site.url('/b')})."
    assert facts(result)["title"] == "Tea"


async def test_without_a_flag_loopback_is_out_of_reach() -> None:
    async with serving({"/": answer("canary")}) as site, Client(build(Settings())) as client:
        for host in ("127.0.0.1", "localhost"):
            assert (await fetch(client, url=site.url("/", host))).is_error
    assert site.requests == []


async def test_the_next_part_comes_from_the_cache() -> None:
    whole = "\n\n".join(f"<p>Line {number} of a long page." for number in range(200))
    async with serving({"/": answer(whole)}) as site, Client(build(OPEN)) as client:
        parts, start = [""], 0
        while start is not None:
            result = await fetch(client, url=site.url(), start=start, max_chars=700)
            parts.append(body(result))
            start = facts(result)["next"]
        all_at_once = await fetch(client, url=site.url(), max_chars=200_000)
    assert "".join(parts) == body(all_at_once)
    assert site.asked() == ["/"]
