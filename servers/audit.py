"""The audit line: one JSON object on standard error for every call, without its contents.

`time` (UTC), `server`, `request`, `principal`, `method`, `tool` (or uri, or prompt), `arguments` (a digest, so that
equal calls can be told), `decision` (`ok`, `asked`, a refusal's code, `internal`, `cancelled`, `error`), `ms`, `bytes`
(characters of text and data sent) and `truncated`.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import anyio
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import ValidationError
from pydantic_core import to_json

from servers.gate import principal
from servers.refusals import CODES

SUBJECTS = {"tools/call": "name", "resources/read": "uri", "prompts/get": "name"}
_LONGEST_SUBJECT = 300
_LONGEST_ARGUMENTS = 20_000


class Audit:
    """MCP server middleware that writes the audit line of each call to `write`."""

    def __init__(self, server: str, write: Callable[[str], None], *, full: bool = False) -> None:
        self._server = server
        self._write = write
        self._full = full

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let one message pass, and note it if it is a call."""
        if ctx.method not in SUBJECTS:
            return await call_next(ctx)
        start = time.perf_counter()
        decision, result = "error", None
        try:
            result = await call_next(ctx)
            decision = _decision(result)
            return result
        except MCPError as error:
            text = error.message.partition(":")[0]
            decision = text if text in CODES else "invalid" if error.code == -32602 else "error"
            raise
        except ValidationError:
            decision = "invalid"
            raise
        except anyio.get_cancelled_exc_class():
            decision = "cancelled"
            raise
        finally:
            self._write(self._line(ctx, decision, result, (time.perf_counter() - start) * 1e3))

    def _line(self, ctx: ServerRequestContext[Any, Any], decision: str, result: HandlerResult, ms: float) -> str:
        params = ctx.params or {}
        packed = to_json(params.get("arguments"), inf_nan_mode="constants", serialize_unknown=True)
        answer = result if isinstance(result, dict) else {}
        line: dict[str, Any] = {
            "audit": "call",
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "server": self._server,
            "request": ctx.request_id,
            "principal": principal(),
            "method": ctx.method,
            "tool": str(params.get(SUBJECTS[ctx.method]))[:_LONGEST_SUBJECT],
            "arguments": hashlib.sha256(packed).hexdigest()[:16],
            "decision": decision,
            "ms": round(ms, 2),
            "bytes": _size(answer),
            "truncated": _truncated(answer),
        }
        if self._full:
            line["contents"] = packed[:_LONGEST_ARGUMENTS].decode(errors="replace")
        return json.dumps(line)  # ASCII only: no control character, and no line of anybody else's making


def _decision(result: HandlerResult) -> str:
    """Read what was decided from the result that goes on the wire."""
    answer = result if isinstance(result, dict) else {}
    if answer.get("resultType") == "input_required":
        return "asked"
    if not answer.get("isError"):
        return "ok"
    text = next((block.get("text", "") for block in _blocks(answer)), "")
    code = text.partition(":")[0]
    return code if code in CODES or code == "internal" else "error"


def _blocks(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = list(answer.get("content") or answer.get("contents") or ())
    return blocks


def _size(answer: Mapping[str, Any]) -> int:
    """Count the characters of the text and data that are sent; structured content repeats the text."""
    sizes = (len(part) for block in _blocks(answer) for key in ("text", "data", "blob") if (part := block.get(key)))
    return sum(sizes)


def _truncated(answer: Mapping[str, Any]) -> str | None:
    for place in (answer.get("structuredContent"), answer.get("_meta")):
        if isinstance(place, dict):
            value = cast("dict[str, Any]", place).get("truncated")
            if isinstance(value, str):
                return value
    return None
