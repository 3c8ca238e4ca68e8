"""Structured content that is turned into JSON once, however many rooms it passes on its way out.

The SDK copies what a tool returns twice (once for the handler's model, once for the protocol version's), and encodes it
a third time beside its own text block. For a thousand entries that is as much work as finding them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.types import CallToolResult, JSONRPCMessage, JSONRPCResponse, TextContent
from pydantic_core import to_json

_CALL, _KEY = "tools/call", "structuredContent"


class Encoded(dict[str, Any]):
    """A JSON object that knows its JSON: whoever holds it does not change it."""

    __slots__ = ("text",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.text = to_json(fields, inf_nan_mode="null").decode()
        """The object in one line."""


def structured(fields: Mapping[str, Any]) -> CallToolResult:
    """Return `fields`, which are JSON values, as structured content and as the same JSON in one line of text."""
    content = Encoded(fields)
    return CallToolResult(content=[TextContent(text=content.text)], structured_content=content)


def line(message: JSONRPCMessage) -> bytes:
    """Return `message` as it goes over a pipe: JSON, and a line feed."""
    if not isinstance(message, JSONRPCResponse):
        return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
    whole = {"jsonrpc": message.jsonrpc, "id": message.id, "result": message.result}
    known = message.result.get(_KEY)
    if not isinstance(known, Encoded) or len(message.result) == 1:
        return to_json(whole, inf_nan_mode="null") + b"\n"
    whole["result"] = {key: value for key, value in message.result.items() if key != _KEY}
    head = to_json(whole, inf_nan_mode="null")[:-2]  # without the ends of the result and of the message
    return b'%b,"%b":%b}}\n' % (head, _KEY.encode(), known.text.encode())


_KEPT: ContextVar[list[Encoded] | None] = ContextVar("kept", default=None)


class Sparing:
    """Takes encoded content out of the way of the SDK's copying: what it would copy is JSON already."""

    def guard(self, server: MCPServer[Any]) -> None:
        """Stand around the tool calls of `server`; its middleware has to be added besides."""
        inner = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # the SDK has no public way to it (2.3)
        entry = inner.get_request_handler(_CALL)
        if entry is not None:
            inner.add_request_handler(_CALL, entry.params_type, self._sparing(entry.handler))

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let one message pass, and put back what was kept of it."""
        if ctx.method != _CALL:
            return await call_next(ctx)
        kept: list[Encoded] = []
        token = _KEPT.set(kept)
        try:
            result = await call_next(ctx)
        finally:
            _KEPT.reset(token)
        # An older version of the protocol has no structured content: then the SDK has dropped it.
        return {**result, _KEY: kept[-1]} if kept and isinstance(result, dict) and _KEY in result else result

    def _sparing(
        self, handler: Callable[[ServerRequestContext[Any, Any], Any], Awaitable[Any]]
    ) -> Callable[[ServerRequestContext[Any, Any], Any], Awaitable[Any]]:
        async def spared(ctx: ServerRequestContext[Any, Any], params: Any) -> Any:
            result, kept = await handler(ctx, params), _KEPT.get()
            if kept is None or not isinstance(result, CallToolResult):
                return result
            if not isinstance(result.structured_content, Encoded):
                return result
            kept.append(result.structured_content)
            return result.model_copy(update={"structured_content": {}})

        return spared
