"""The simulator as an ASGI application: its doors, and what every answer carries."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator import cards, faults, generation, parsing, stream, validation
from simulator.errors import Refused
from simulator.faults import Fault
from simulator.parsing import Caller, Request
from simulator.reply import Reply, new_id
from simulator.request import Body, Prompt
from simulator.settings import Limits, Settings
from simulator.stream import Event, Pace

__all__ = ["Limits", "Settings", "build"]

Door = Callable[[HttpRequest, Caller], Awaitable[Response]]
HTML = "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"


def build(settings: Settings) -> Starlette:
    """Return a simulator with its own state. Its paths are the API's, from `/v1` on."""
    api = Api(settings)
    routes = [
        Route("/v1/messages", api.guarded(api.messages), methods=["POST"]),
        Route("/v1/messages/count_tokens", api.guarded(api.count_tokens), methods=["POST"]),
        Route("/v1/models", api.guarded(api.models), methods=["GET"]),
        Route("/v1/models/{id}", api.guarded(api.model), methods=["GET"]),
        Route("/healthz", _healthz, methods=["GET"]),
    ]
    app = Simulator(routes=routes, exception_handlers={404: _not_found, 405: _not_found})
    app.state.settings = settings
    return app


class Simulator(Starlette):
    """An application that also knows the connection, so that it can break it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["simulator.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await super().__call__(scope, receive, send)


async def _healthz(_: HttpRequest) -> Response:
    return JSONResponse({"status": "ok", "server": "simulator"})


async def _not_found(_: HttpRequest, __: Exception) -> Response:
    return refusal_response(Refused("Not found", status=404), new_id("req"))


class Api:
    """One simulator's doors and what it remembers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._faults = list(settings.faults)

    def guarded(self, door: Door) -> Callable[[HttpRequest], Awaitable[Response]]:
        """Return `door` behind the checks of every request; its refusals become error answers."""

        async def enter(http: HttpRequest) -> Response:
            request_id = new_id("req")
            try:
                response = await door(http, parsing.caller(http.headers, self.settings.api_keys))
            except Refused as refused:
                response = refusal_response(refused, request_id)
            response.headers["request-id"] = request_id
            response.headers["anthropic-organization-id"] = "00000000-0000-4000-8000-000000000000"
            return response

        return enter

    async def messages(self, http: HttpRequest, caller: Caller) -> Response:
        """Answer `POST /v1/messages`."""
        fault = self._fault(http)
        if fault.status or fault.kind in ("html", "empty", "slow"):
            broken = await self._broken(fault)
            if broken:
                return broken
        request = await self._request(http, caller, Body)
        reply = generation.reply_to(request)
        if self.settings.first_token_s:
            await anyio.sleep(self.settings.first_token_s)
        if not request.body.stream:
            return JSONResponse(reply.message())
        return StreamingResponse(
            self._streamed(reply, fault, http), media_type="text/event-stream", headers={"cache-control": "no-cache"}
        )

    async def count_tokens(self, http: HttpRequest, caller: Caller) -> Response:
        """Answer `POST /v1/messages/count_tokens`."""
        request = await self._request(http, caller, Prompt)
        return JSONResponse({"input_tokens": generation.count(request)})

    async def models(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/models`."""
        return JSONResponse(cards.page(http.query_params))

    async def model(self, http: HttpRequest, _: Caller) -> Response:
        """Answer `GET /v1/models/{id}`."""
        return JSONResponse(cards.one(http.path_params["id"]))

    async def _request(self, http: HttpRequest, caller: Caller, shape: type[Any]) -> Request[Any]:
        body = parsing.json_body(await http.body(), http.headers.get("content-type", ""))
        request = parsing.request(shape, caller, body)
        validation.check(request)
        return request

    def _fault(self, http: HttpRequest) -> Fault:
        asked = http.headers.get("x-simulator-fault") if self.settings.fault_headers else None
        if asked:
            try:
                return faults.parse(asked) or faults.PASS
            except ValueError as wrong:
                raise Refused(f"x-simulator-fault: {wrong}") from None
        return self._faults.pop(0) if self._faults else faults.PASS

    async def _broken(self, fault: Fault) -> Response | None:
        """Return the broken answer that a fault asks for, or None after a slow start."""
        if fault.kind == "slow":
            await anyio.sleep(fault.seconds)
            return None
        if fault.kind == "html":
            return Response("<html><body>Welcome to the guest network</body></html>", media_type="text/html")
        if fault.kind == "empty":
            return Response(b"", media_type="text/event-stream")
        if fault.status == 502:
            return Response(HTML, status_code=502, media_type="text/html")
        raise fault.refusal(self.settings.clock())

    async def _streamed(self, reply: Reply, fault: Fault, http: HttpRequest) -> AsyncIterator[bytes]:
        pace = Pace(tokens_per_second=self.settings.tokens_per_second)
        number = 0
        async for event in stream.paced(reply, pace):
            if fault.streamed and number >= fault.after:
                async for last in _ending(fault, http):
                    yield last
                return
            number += 1
            yield event.encoded()


async def _ending(fault: Fault, http: HttpRequest) -> AsyncIterator[bytes]:
    if fault.kind == "overloaded":
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        yield Event(error).encoded()
    if fault.kind == "stall":
        await anyio.sleep(fault.seconds)
    if fault.kind == "bad-json":
        yield b'event: content_block_delta\ndata: {"type": "content_block_del\n\n'
    if fault.kind in ("cut", "reset"):
        _break(http.scope["simulator.transport"], abruptly=fault.kind == "reset")


def _break(transport: asyncio.Transport | None, *, abruptly: bool) -> None:
    """Close a connection in the middle of an answer; abruptly is by a reset."""
    if transport is None:
        raise Refused("This server cannot break its connections.", status=500)
    if abruptly:
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()


def refusal_response(refused: Refused, request_id: str) -> Response:
    """Return an error answer in the API's form."""
    error: dict[str, Any] = {"type": refused.kind, "message": refused.message}
    if refused.code:
        error["details"] = {"error_code": refused.code}
    headers = {"x-should-retry": "false"} if refused.status in (400, 413) else {}
    body = {"type": "error", "error": error, "request_id": request_id}
    return JSONResponse(body, status_code=refused.status, headers=headers | refused.headers)
