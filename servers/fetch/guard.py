"""The guard: the only way from this server to a network.

A name is looked up once, every address of the answer is judged, and the connection goes to one of those very addresses:
nothing looks the name up again (DNS rebinding has no second answer to give). One bad address refuses the whole name.
TLS keeps the name for SNI and for the certificate.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, cast

import anyio
import anyio.to_thread
import httpcore2

from servers.fetch.addresses import Ground
from servers.fetch.failures import Denied, Unavailable

LOOKUP_SECONDS = 5.0
CLOSED_PORT = "Port {} is not allowed. Ask for the page at the usual port; the operator opens others with --allow-port."
NOT_PUBLIC = (
    "{} is not a public address. Only pages on the public internet can be fetched; the operator opens networks with "
    "--allow-cidr."
)
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class Resolver(Protocol):
    """Looks names up."""

    async def lookup(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`, best first. Raises `OSError` if there are none."""
        ...


class SystemResolver:
    """The resolver of the operating system (getaddrinfo: hosts file, DNS, search domains)."""

    async def lookup(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`, best first. Raises `OSError` if there are none."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await anyio.to_thread.run_sync(ask, abandon_on_cancel=True)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class Ports:
    """Which ports a connection may go to."""

    extra: tuple[int, ...] = ()
    """Beside 80 and 443 (`--allow-port`)."""

    def admit(self, port: int) -> bool:
        """Return whether any address may be dialled at this port."""
        return port in (80, 443) or port in self.extra


class Guard(httpcore2.AsyncNetworkBackend):
    """Dials for the HTTP client: only vetted addresses, only allowed ports, never a Unix socket."""

    def __init__(self, ground: Ground, ports: Ports, resolver: Resolver) -> None:
        self._ground, self._ports, self._resolver = ground, ports, resolver
        self._dial = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Return a connection to a vetted address of `host`.

        Raises:
            Denied: the port, or one of the addresses, is not allowed.
            Unavailable: no such host, or none of its addresses answers.
        """
        addresses = await self._vetted(host, port)
        for address in addresses:
            try:
                return await self._dial.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        raise Unavailable(f"{host} does not accept connections at port {port}. Try again later, or another source.")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[SocketOption] | None = None
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: a socket file is never a public page."""
        raise Denied("Socket files cannot be fetched.")

    async def sleep(self, seconds: float) -> None:
        """Wait; the HTTP client asks for this between its own retries."""
        await anyio.sleep(seconds)

    async def _vetted(self, host: str, port: int) -> Sequence[str]:
        if not self._ports.admit(port) and (self._ports.extra or not self._ground.allowed):
            raise Denied(CLOSED_PORT.format(port))
        try:
            with anyio.fail_after(LOOKUP_SECONDS):
                addresses = await self._resolver.lookup(host, port)
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            raise Unavailable(f"There is no host {host}, or its name server is silent. Check the spelling.") from None
        if not addresses or not all(self._ground.admits(address) for address in addresses):
            raise Denied(NOT_PUBLIC.format(host))
        if not self._ports.admit(port) and not all(self._ground.opens(address) for address in addresses):
            raise Denied(CLOSED_PORT.format(port))
        return addresses
