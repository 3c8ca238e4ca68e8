"""What tests take out of a result."""

from __future__ import annotations

import re
from typing import Any

import anyio
from mcp import Client
from mcp.types import CallToolResult, TextContent

from servers.fetch.protocol.results import META

FENCE = re.compile(r"<(untrusted-data-[0-9a-f]{16})>\n(.*)\n</\1>\n", re.DOTALL)


async def fetch(client: Client, url: str, **arguments: Any) -> CallToolResult:
    """Call `web_fetch`, within the time that a client would wait."""
    with anyio.fail_after(25):
        return await client.call_tool("web_fetch", {"url": url, **arguments})


def text(result: CallToolResult) -> str:
    """Return the whole text of a result of one block."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def body(result: CallToolResult) -> str:
    """Return the page's own text, without header and marks."""
    assert not result.is_error, text(result)
    found = FENCE.search(text(result))
    return found.group(2) if found else ""


def facts(result: CallToolResult) -> dict[str, Any]:
    """Return what the result says about its page."""
    assert result.meta is not None
    return result.meta[META]
