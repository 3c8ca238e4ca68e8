"""Ways to talk to the files server: in process, over stdio, over HTTP; in both eras of the protocol."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx2
import jsonschema
from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ElicitRequestParams, ElicitResult

from servers.files.server import build
from tests.servers.suite.running import HOUSE, served

Mode = Literal["auto", "legacy"]
PATIENCE = 30


@dataclass
class User:
    """Answers questions, and remembers them."""

    agrees: bool = True
    action: Literal["accept", "decline", "cancel"] = "accept"
    asked: list[str] = field(default_factory=list[str])

    async def answer(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.append(params.message)
        return ElicitResult(action=self.action, content={"agree": self.agrees} if self.action == "accept" else None)


@dataclass(frozen=True)
class Talk:
    """A client, and what its calls must always fulfil."""

    client: Client
    schemas: dict[str, dict[str, Any]]

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool in time; a structured answer fits the tool's schema and is the same JSON as the text."""
        with anyio.fail_after(PATIENCE):
            result = await self.client.call_tool(tool, arguments)
        if not result.is_error and tool in self.schemas:
            jsonschema.validate(result.structured_content, self.schemas[tool])
            assert json.loads(text_of(result)) == result.structured_content
        return result

    async def data(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool that works and return its structured answer."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def text(self, tool: str, **arguments: Any) -> str:
        """Call a tool that works and return its text."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        return text_of(result)

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Call a tool that refuses and return what it says."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        return text_of(result)

    async def page(self, **arguments: Any) -> tuple[str, dict[str, Any]]:
        """Read a file: the text below the header, and the facts."""
        result = await self.call("fs_read", **arguments)
        assert not result.is_error, text_of(result)
        return text_of(result).split("\n", 1)[1], (result.meta or {})["files/pages"][0]


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if block.type == "text")


async def _talk(client: Client) -> Talk:
    tools = (await client.list_tools()).tools
    return Talk(client, {tool.name: tool.output_schema for tool in tools if tool.output_schema})


@contextlib.asynccontextmanager
async def in_process(
    *roots: str, mode: Mode = "auto", user: User | None = None, **options: Any
) -> AsyncGenerator[Talk]:
    """Talk to a server of this process."""
    async with Client(build(roots, **options), mode=mode, elicitation_callback=user.answer if user else None) as client:
        yield await _talk(client)


@contextlib.asynccontextmanager
async def over_stdio(*arguments: str, mode: Mode = "auto", user: User | None = None) -> AsyncGenerator[Talk]:
    """Talk to the real program over its standard streams."""
    command = StdioServerParameters(command=sys.executable, args=["-m", "servers.files", *arguments], cwd=HOUSE)
    async with Client(command, mode=mode, elicitation_callback=user.answer if user else None) as client:
        yield await _talk(client)


@contextlib.asynccontextmanager
async def over_http(*arguments: str, mode: Mode = "auto", user: User | None = None) -> AsyncGenerator[Talk]:
    """Talk to the real program over a port."""
    command = (sys.executable, "-m", "servers.files", "--http", "127.0.0.1:0", "--rate", "0", *arguments)
    with served(command) as server:
        url = await anyio.to_thread.run_sync(server.url)
        async with (
            httpx2.AsyncClient(timeout=httpx2.Timeout(PATIENCE)) as http,
            Client(
                streamable_http_client(url, http_client=http),
                mode=mode,
                elicitation_callback=user.answer if user else None,
            ) as client,
        ):
            yield await _talk(client)


def tree(root: Path, files: dict[str, str | bytes]) -> None:
    """Make files, with the folders that they are in."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
