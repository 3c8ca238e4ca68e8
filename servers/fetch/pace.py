"""How fast one host is asked: a few pages at once, then about one a second, and not at all while it asks for quiet."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from servers.fetch.cache import Kept
from servers.fetch.failures import Unavailable

LONGEST_QUIET = 3_600.0
MOST_HOSTS = 1_000


@dataclass(frozen=True)
class Manners:
    """What one host may be asked for."""

    at_once: int = 2
    burst: int = 10
    """Pages that need not wait after a silence."""
    per_second: float = 1.0
    """Pages after those."""
    longest_wait: float = 10.0
    """Seconds a page waits for its turn before it is refused."""


@dataclass
class Host:
    """What is known about one host."""

    slots: anyio.Semaphore
    tokens: float
    seen: float
    quiet_until: float = field(default=0.0)


class Pace:
    """Keeps the manners towards every host."""

    def __init__(self, manners: Manners, clock: Callable[[], float] = time.monotonic) -> None:
        self._manners, self._clock = manners, clock
        self._hosts: Kept[str, Host] = Kept(MOST_HOSTS, lambda _: 1)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[None]:
        """Wait for a turn at this host and keep it while the block runs.

        Raises `Unavailable` if the host asked for quiet, or was asked too much of lately.
        """
        host = self._host(name)
        self._heed(name, host)
        wait = self._take(host)
        if wait > self._manners.longest_wait:
            host.tokens += 1
            raise Unavailable(f"{name} was asked for too many pages. Ask again in {round(wait)} seconds.")
        await anyio.sleep(wait)
        async with host.slots:
            yield

    def quiet(self, name: str, seconds: float) -> None:
        """Leave this host alone for so long (`Retry-After`, RFC 9110, 10.2.3)."""
        self._host(name).quiet_until = self._clock() + min(seconds, LONGEST_QUIET)

    def _heed(self, name: str, host: Host) -> None:
        left = host.quiet_until - self._clock()
        if left > 0:
            raise Unavailable(f"{name} asked to be left alone. Ask again in {round(left) + 1} seconds.")

    def _host(self, name: str) -> Host:
        host = self._hosts.get(name)
        if host is None:
            host = Host(anyio.Semaphore(self._manners.at_once), self._manners.burst, self._clock())
            self._hosts.put(name, host)
        return host

    def _take(self, host: Host) -> float:
        """Take a token and return the seconds until it is really there."""
        now = self._clock()
        grown = host.tokens + (now - host.seen) * self._manners.per_second
        host.tokens, host.seen = min(self._manners.burst, grown) - 1, now
        return max(0.0, -host.tokens / self._manners.per_second)
