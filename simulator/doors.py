"""What every door of the simulator does: who asks, what goes wrong, what every answer carries."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from simulator import faults, parsing
from simulator.errors import Refused
from simulator.faults import Fault
from simulator.parsing import Caller
from simulator.reply import new_id
from simulator.world import World

Door = Callable[[HttpRequest, Caller], Awaitable[Response]]
LOG = logging.getLogger("simulator")
ORGANIZATION, WORKSPACE = "00000000-0000-4000-8000-000000000000", "wrkspc_01simulator"


def guarded(world: World, door: Door) -> Callable[[HttpRequest], Awaitable[Response]]:
    """Return `door` behind the checks of every request; its refusals become error answers."""

    async def enter(http: HttpRequest) -> Response:
        request_id = new_id("req")
        key = said = ""
        try:
            caller = parsing.caller(http.headers, world.settings.api_keys)
            key = caller.key
            response = await door(http, caller)
        except Refused as refused:
            response, said = refusal_response(refused, request_id), refused.message
        except Exception:
            LOG.exception("a bug of the simulator, at %s %s (%s)", http.method, http.url.path, request_id)
            response, said = refusal_response(Refused("Internal server error", status=500), request_id), "a bug"
        response.headers["request-id"] = request_id
        response.headers["anthropic-organization-id"] = ORGANIZATION
        response.headers["anthropic-workspace-id"] = http.headers.get("anthropic-workspace-id", WORKSPACE)
        if http.url.path == "/v1/messages" and response.status_code >= 400:
            world.ledger.refuse(world.now(), request_id, response.status_code, said)
        if key and http.url.path == "/v1/messages":
            for name, value in world.buckets.headers(key, world.now()).items():
                response.headers[name] = value
        return response

    return enter


def asked_fault(http: HttpRequest, world: World) -> Fault:
    """Return the fault that meets a request: the one its header asks for, else the next of the script."""
    asked = http.headers.get("x-simulator-fault") if world.settings.fault_headers else None
    if asked is None:
        return world.next_fault()
    try:
        return faults.parse(asked) or faults.PASS
    except ValueError as wrong:
        raise Refused(f"x-simulator-fault: {wrong}") from None


def refusal_response(refused: Refused, request_id: str) -> Response:
    """Return an error answer in the API's form."""
    error: dict[str, Any] = {"type": refused.kind, "message": refused.message}
    if refused.code:
        error["details"] = {"error_code": refused.code}
    headers = {"x-should-retry": "false"} if refused.status in (400, 413) else {}
    body = {"type": "error", "error": error, "request_id": request_id}
    return JSONResponse(body, status_code=refused.status, headers=headers | refused.headers)


async def not_found(_: HttpRequest, __: Exception) -> Response:
    """Answer a path that the API does not have."""
    request_id = new_id("req")
    response = refusal_response(Refused("Not found", status=404), request_id)
    response.headers["request-id"] = request_id
    return response
