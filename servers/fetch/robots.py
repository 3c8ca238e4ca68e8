"""What a site says programs may read: robots.txt, by RFC 9309.

A site is asked once an hour. No file (4xx) means that everything may be read; a site that cannot say (5xx) means
that nothing may. What the file says is never shown: it is a stranger's text.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio
import anyio.to_thread
import httpx2
from protego import Protego

from servers.fetch.cache import Kept
from servers.fetch.failures import Denied, Unavailable
from servers.fetch.transfer import AGENT, Answer

HOUR = 3_600.0
MOST_BYTES = 512_000  # RFC 9309, 2.5: at least 500 KiB are read; the rest is ignored
MOST_SITES = 200
Ask = Callable[[httpx2.URL, bool], Awaitable[Answer]]


@dataclass(frozen=True)
class Said:
    """What a site said, and when."""

    rules: Protego | None
    """None if everything goes."""
    silent: bool
    """It could not say: nothing goes."""
    when: float


class Robots:
    """The robots.txt of the sites that were visited lately; `ask(url, public_only)` fetches one."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._said: Kept[str, Said] = Kept(MOST_SITES, lambda _: 1)
        self._asking: dict[str, anyio.Lock] = {}

    async def check(self, url: httpx2.URL, *, public_only: bool) -> None:
        """Raise `Denied` if the site does not want this page read, `Unavailable` if it cannot say."""
        site = f"{url.scheme}://{url.netloc.decode('ascii')}"
        said = await self._of(site, public_only)
        if said.silent:
            raise Unavailable(f"{url.host} cannot say what programs may read (robots.txt fails). Try again later.")
        if said.rules is not None and not said.rules.can_fetch(str(url), AGENT):
            raise Denied(
                f"{url.host} asks programs not to read this page (robots.txt). Use another source,"
                " or let the user ask for it with the prompt `fetch`."
            )

    async def _of(self, site: str, public_only: bool) -> Said:
        try:
            async with self._asking.setdefault(site, anyio.Lock()):
                said = self._said.get(site)
                if said is None or self._clock() - said.when > HOUR:
                    said = await self._learn(httpx2.URL(site + "/robots.txt"), public_only)
                    self._said.put(site, said)
                return said
        finally:
            self._asking.pop(site, None)

    async def _learn(self, url: httpx2.URL, public_only: bool) -> Said:
        answer = await self._ask(url, public_only)
        now = self._clock()
        if answer.status >= 500:
            return Said(None, True, now - HOUR + 60)  # asked again in a minute
        if not 200 <= answer.status < 300:
            return Said(None, False, now)
        text = answer.body[:MOST_BYTES].decode("utf-8", "replace")
        return Said(await anyio.to_thread.run_sync(Protego.parse, text), False, now)
