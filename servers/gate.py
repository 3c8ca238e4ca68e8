"""What one call may use: so many seconds, so many calls at once, so many per second and client.

The gate stands before the handlers of a built server, so that tools need nothing for it. A client that is refused is
told when to come back; a call that is stopped is cancelled, and the cancellation reaches the work.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from mcp import MCPError
from mcp.server import MCPServer, ServerRequestContext
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import CallNext, HandlerResult
from mcp.types import INTERNAL_ERROR, CallToolResult, TextContent

from servers.room import HELD, Hold
from servers.settings import Rate

GATED = ("tools/call", "resources/read", "prompts/get", "completion/complete")
QUEUE = 32  # callers that may wait for each one that runs
_MOST_PRINCIPALS = 10_000

Handler = Callable[[ServerRequestContext[Any, Any], Any], Awaitable[Any]]


@dataclass(frozen=True)
class Allowance:
    """What the gate allows."""

    deadline: float
    concurrency: int
    rate: Rate | None


def principal() -> str:
    """Return who is calling: the name of the token, or `local` where none is asked for."""
    token = get_access_token()
    return token.client_id if token is not None else "local"


class Gate:
    """Counts the calls of one server and lets them pass or not."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowance = allowance
        self._limiter = anyio.CapacityLimiter(allowance.concurrency)
        self._buckets = Buckets(allowance.rate, clock) if allowance.rate else None

    def guard(self, server: MCPServer[Any]) -> None:
        """Put this gate before the handlers of `server`."""
        inner = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]  # the SDK has no public way to it (2.3)
        for method in GATED:
            entry = inner.get_request_handler(method)
            if entry is not None:
                inner.add_request_handler(method, entry.params_type, self._guarded(method, entry.handler))

    def _guarded(self, method: str, handler: Handler) -> Handler:
        async def gated(ctx: ServerRequestContext[Any, Any], params: Any) -> Any:
            refusal = self._busy()
            if refusal is None:
                with anyio.move_on_after(self._allowance.deadline) as scope:
                    return await self._in_a_place(handler, ctx, params)
                if not scope.cancelled_caught:
                    return None
                refusal = f"timeout: stopped after {self._allowance.deadline:g} s. Ask for less at once."
            if method == "tools/call":
                return CallToolResult(is_error=True, content=[TextContent(text=refusal)])
            raise MCPError(INTERNAL_ERROR, refusal)

        return gated

    async def _in_a_place(self, handler: Handler, ctx: ServerRequestContext[Any, Any], params: Any) -> Any:
        """Return what the handler returns; its place is free again when the answer has left, if somebody tells."""
        borrower, hold = object(), HELD.get()  # each call is its own: one task may have several waiting
        await self._limiter.acquire_on_behalf_of(borrower)
        try:
            return await handler(ctx, params)
        finally:
            free = partial(self._limiter.release_on_behalf_of, borrower)
            free() if hold is None or hold.shared else hold.keep(free)

    def _busy(self) -> str | None:
        wait = self._buckets.take(principal()) if self._buckets else 0.0
        if wait > 0:
            return f"unavailable: too many calls in a short time. Try again in {wait:.1f} s."
        if self._limiter.statistics().tasks_waiting >= QUEUE * self._allowance.concurrency:
            return "unavailable: too many calls are waiting already. Try again in a few seconds."
        return None


class Holding:
    """MCP server middleware: what a call holds is given back if it fails, otherwise by who sends its answer."""

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Let one message pass."""
        hold = HELD.get()
        if hold is None:
            HELD.set(hold := Hold())
        try:
            result = await call_next(ctx)
        except BaseException:
            hold.give_back()
            raise
        hold.give_back_soon()
        return result


class Buckets:
    """A token bucket for each principal; the one that has been quiet longest is forgotten first."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, who: str) -> float:
        """Take one call from the bucket of `who`; return 0, or the seconds until there is one."""
        now = self._clock()
        left, since = self._filled.pop(who, (float(self._rate.burst), now))
        left = min(left + (now - since) * self._rate.per_second, float(self._rate.burst))
        wait = 0.0 if left >= 1 else (1 - left) / self._rate.per_second
        self._filled[who] = (left if wait else left - 1, now)
        if len(self._filled) > _MOST_PRINCIPALS:
            self._filled.popitem(last=False)
        return wait
