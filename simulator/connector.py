"""The MCP connector: the simulator itself connects to the servers a request names, and runs their tools."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from simulator.definitions import McpServer, McpTool, McpToolset
from simulator.errors import Refused
from simulator.shapes import Json
from simulator.situation import Tool

if TYPE_CHECKING:
    from mcp import Client

CONNECT_S, READ_S = 10.0, 60.0


@dataclass(frozen=True)
class Listing:
    """The tools of one server, and how the request wants them."""

    server: str
    tools: tuple[McpTool, ...]
    toolset: McpToolset | None
    fetched: bool
    """Whether the server was asked; a pinned list needs no asking."""

    def enabled(self) -> list[tuple[Tool, bool]]:
        """Return the tools that the model may have, each with whether it is deferred."""
        found: list[tuple[Tool, bool]] = []
        for tool in self.tools:
            if self._setting(tool.name, "enabled", True):
                deferred = self._setting(tool.name, "defer_loading", False)
                found.append((Tool(tool.name, tool.description or "", tool.input_schema, self.server), deferred))
        return found

    def _setting(self, name: str, field: str, default: bool) -> bool:
        """Return a setting of one tool: its own before the default of the set."""
        if self.toolset is None:
            return default
        own = (self.toolset.configs or {}).get(name)
        for config in (own, self.toolset.default_config):
            if config is not None and getattr(config, field) is not None:
                return bool(getattr(config, field))
        return default

    def block(self) -> Json:
        """Return the listing as the block that the newer header brings."""
        tools = [tool.model_dump() for tool in self.tools]
        return {"type": "mcp_tool_listing", "mcp_server_name": self.server, "tools": tools}


class Connections:
    """The servers of one request, connected when first needed, left when the request ends."""

    def __init__(self, servers: Sequence[McpServer], stack: contextlib.AsyncExitStack, allow_loopback: bool) -> None:
        self._servers = {server.name: server for server in servers}
        self._stack = stack
        self._clients: dict[str, Client] = {}
        for index, server in enumerate(servers):
            check_address(index, server.url, allow_loopback)

    async def listing(self, name: str, toolset: McpToolset | None, echoed: Sequence[McpTool] | None) -> Listing:
        """Return a server's tools: from the toolset if it pins them, from an echoed listing, else from the server."""
        pinned = toolset.tools if toolset and toolset.tools is not None else echoed
        if pinned is not None:
            return Listing(name, tuple(pinned), toolset, fetched=False)
        client = await self._client(name)
        tools: list[McpTool] = []
        cursor: str | None = None
        while True:
            page = await client.list_tools(cursor=cursor)
            tools += [McpTool(name=t.name, description=t.description, input_schema=t.input_schema) for t in page.tools]
            cursor = page.next_cursor
            if not cursor:
                return Listing(name, tuple(tools), toolset, fetched=True)

    async def call(self, server: str, name: str, arguments: Json) -> tuple[str, bool]:
        """Return the text of a tool's result, and whether it failed. Only text comes through, as at the API."""
        try:
            client = await self._client(server)
            result = await client.call_tool(name, arguments)
        except Refused:
            raise
        except Exception as failure:  # noqa: BLE001  # the border: whatever the foreign server does is its result
            return f"{type(failure).__name__}: {failure}", True
        texts = [block.text for block in result.content if block.type == "text"]
        return "\n".join(texts) or "(no text)", bool(result.is_error)

    async def _client(self, name: str) -> Client:
        if name not in self._clients:
            self._clients[name] = await self._connect(self._servers[name])
        return self._clients[name]

    async def _connect(self, server: McpServer) -> Client:
        import httpx2
        from mcp import Client
        from mcp.client.streamable_http import streamable_http_client

        token = server.authorization_token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        timeout = httpx2.Timeout(CONNECT_S, read=READ_S)
        try:
            http = await self._stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=timeout))
            transport = streamable_http_client(server.url, http_client=http)
            return await self._stack.enter_async_context(Client(transport, read_timeout_seconds=READ_S))
        except Exception as failure:  # the border: a foreign server may fail in any way
            raise Refused(
                f"Connection error while communicating with MCP server '{server.name}': {_reason(failure)}"
            ) from failure


@contextlib.asynccontextmanager
async def connections(servers: Sequence[McpServer], allow_loopback: bool) -> AsyncGenerator[Connections]:
    """Yield the connections of one request."""
    async with contextlib.AsyncExitStack() as stack:
        yield Connections(servers, stack, allow_loopback)


def check_address(index: int, url: str, allow_loopback: bool) -> None:
    """Raise `Refused` for an address that the API could not reach: not https, or on this machine."""
    parts = urlsplit(url)
    local = is_local(parts.hostname or "")
    if not parts.hostname or parts.scheme not in ("https", "http") or (parts.scheme == "http" and not local):
        raise Refused(f"mcp_servers.{index}.url: URL must start with https://")
    if local and not allow_loopback:
        raise Refused(
            f"mcp_servers.{index}.url: the server must be publicly reachable over https (the simulator reaches this "
            "machine with --allow-loopback)"
        )


def is_local(host: str) -> bool:
    """Whether a host names this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _reason(failure: BaseException) -> str:
    while isinstance(failure, BaseExceptionGroup):
        failure = cast(BaseExceptionGroup[BaseException], failure).exceptions[0]
    return f"{type(failure).__name__}: {failure}"
