"""Two sites on loopback: `evil` may be fetched, `secret` holds the canary and must never even be asked.

To the guard `evil` is an operator's network (127.0.0.2); it plays the public internet, `secret` (127.0.0.1) the inside.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from mcp import Client
from mcp.types import CallToolResult

from servers.fetch.addresses import Ground
from servers.fetch.pace import Manners
from servers.fetch.server import build
from servers.fetch.transfer import Caps
from servers.fetch.web import Settings
from tests.servers.fetch.reading import fetch, text
from tests.servers.fetch.site import Names, Site, Wild, answer, serving

CANARY = "canary-7f3a"
EVIL = "127.0.0.2"
SETTINGS = Settings(ground=Ground((ip_network(f"{EVIL}/32"),)), manners=Manners(burst=1_000, per_second=1_000))


@dataclass
class World:
    """The two sites and a client of a fetch server."""

    evil: Site
    secret: Site
    client: Client
    names: Names | None = None
    answers: list[CallToolResult] = field(default_factory=list[CallToolResult])

    async def refused(self, url: str, code: str = "denied") -> str:
        """Fetch, see that it is refused with this code and that the inside was not touched; return the text."""
        result = await fetch(self.client, url, max_age=0)
        said = text(result)
        assert result.is_error, said
        assert said.startswith(f"{code}: "), said
        self.inside_untouched(said)
        return said

    def inside_untouched(self, said: str) -> None:
        """See that the secret site was not asked, and that a text gives nothing away."""
        assert self.secret.requests == []
        assert CANARY not in said
        assert "Traceback" not in said
        assert "/" + "usr" not in said


@asynccontextmanager
async def world(
    pages: Mapping[str, bytes | Wild] | None = None,
    names: Mapping[str, Sequence[Sequence[str]]] | None = None,
    caps: Caps | None = None,
) -> AsyncGenerator[World]:
    """Serve both sites and a fetch server that may fetch only the evil one."""
    settings = replace(SETTINGS, caps=caps) if caps else SETTINGS
    resolver = Names(names) if names is not None else None
    inside = {path: answer(CANARY) for path in ("/", "/secret", "/robots.txt")}
    async with (
        serving(pages, host=EVIL) as evil,
        serving(inside) as secret,
        Client(build(settings, resolver=resolver)) as client,
    ):
        yield World(evil, secret, client, resolver)


def redirect(location: str, status: str = "302 Found") -> bytes:
    """Return a redirect to a place."""
    return answer("moved", status=status, Location=location)
