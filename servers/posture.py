"""What a server would allow if it were served with these options: the JSON of `--check`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp.server import MCPServer

from servers.settings import LOOPBACK, Settings


def refused(server: str, reason: str) -> dict[str, Any]:
    """Return the posture of a server that will not be served."""
    return {"server": server, "ok": False, "refused": reason}


async def posture(name: str, server: MCPServer[Any], settings: Settings, own: Mapping[str, object]) -> dict[str, Any]:
    """Return what the server offers and who may ask for it; `own` is what it says of its own options. No secrets."""
    tools = await server.list_tools()
    writing = [tool.name for tool in tools if tool.annotations is None or not tool.annotations.read_only_hint]
    outward = [tool.name for tool in tools if tool.annotations is None or tool.annotations.open_world_hint is not False]
    return {
        "server": name,
        "version": server.version,
        "ok": True,
        "transport": _transport(settings),
        "limits": {
            "deadline_s": settings.deadline,
            "concurrency": settings.concurrency,
            "rate_per_s": settings.rate.per_second if settings.rate else None,
            "burst": settings.rate.burst if settings.rate else None,
        },
        "tools": [tool.name for tool in tools],
        "writing_tools": writing,
        "open_world_tools": outward,
        "own": dict(own),
        "warnings": _warnings(settings),
    }


def _transport(settings: Settings) -> dict[str, Any]:
    if settings.address is None:
        return {"kind": "stdio"}
    return {
        "kind": "http",
        "address": str(settings.address),
        "loopback": settings.address.loopback,
        "hosts": list(settings.hosts),
        "origins": list(settings.origins),
        "principals": sorted(settings.tokens.principals.values()),
        "stateless": settings.stateless,
        "shared_state_keys": len(settings.state_keys),
    }


def _warnings(settings: Settings) -> list[str]:
    """Name what is allowed but deserves a thought."""
    found: list[str] = []
    if settings.address is not None and not settings.tokens:
        found.append("every program on this machine may call, without a token")
    if settings.address is not None and not settings.address.loopback:
        found.append("tokens travel unencrypted unless a TLS proxy stands before this port")
    if settings.address is not None and not settings.address.loopback and set(settings.hosts) == set(LOOPBACK):
        found.append("no --allow-host names what other machines call this one: their requests are answered with 421")
    if settings.stateless:
        found.append("without sessions, old clients lose cancellation and questions to the user")
    if settings.audit_full:
        found.append("audit lines hold the arguments of every call")
    return found
