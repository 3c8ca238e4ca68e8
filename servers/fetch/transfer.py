"""One GET of one URL through the guard: bounded on the wire, decoded, and in time.

Nothing of the caller's environment goes along: no proxy, no cookie, no credential, no header
that an argument could set. Only gzip is asked for (RFC 9110, 12.5.3), so only gzip is decoded, and never
more of it than the cap.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

import httpcore2
import httpx2

from servers.fetch.addresses import Ground, is_public
from servers.fetch.failures import Unavailable
from servers.fetch.guard import Guard, Ports, Resolver
from servers.fetch.kinds import VAGUE, kind_of, media_type
from servers.fetch.urls import port_of

AGENT = "mcp-fetch"
HEADERS: tuple[tuple[str, str], ...] = (
    ("User-Agent", f"{AGENT}/1.0 (a reader for language models)"),
    ("Accept", "text/markdown, text/html;q=0.9, application/xhtml+xml;q=0.9, application/json;q=0.8, */*;q=0.5"),
    ("Accept-Language", "en, *;q=0.5"),
    ("Accept-Encoding", "gzip"),
)
CONNECTIONS = 20


@dataclass(frozen=True)
class Caps:
    """How much one page may cost."""

    wire: int = 5_000_000
    """Bytes received of a text page."""
    decoded: int = 5_000_000
    """Bytes of a text page after decompression."""
    document: int = 25_000_000
    """Bytes received of a PDF or an office file."""
    seconds: float = 20.0
    """For the whole page: robots.txt, every redirect, body and conversion."""
    first_byte: float = 8.0
    """Seconds a server may stay silent."""
    redirects: int = 5


@dataclass(frozen=True)
class Answer:
    """What a server sent for one URL."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; a repeated header is joined by commas."""
    public: bool
    """Whether it came from the public internet, not from a network that the operator opened."""
    body: bytes = field(default=b"", repr=False)
    cut: bool = False
    """The body is longer than the caps, or ended early."""

    @property
    def redirect(self) -> str | None:
        """The Location of a redirect (RFC 9110, 15.4), as it was sent."""
        return self.headers.get("location") if self.status in (301, 302, 303, 307, 308) else None


class Wire:
    """Connections of this server, kept open for a while; one pool for all grounds, one for the public ground only."""

    def __init__(self, ground: Ground, ports: Ports, resolver: Resolver, caps: Caps) -> None:
        self.caps = caps
        context = httpcore2.default_ssl_context()

        def pool(where: Ground) -> httpcore2.AsyncConnectionPool:
            guard = Guard(where, ports, resolver)
            return httpcore2.AsyncConnectionPool(
                ssl_context=context, max_connections=CONNECTIONS, keepalive_expiry=15, network_backend=guard
            )

        self._open, self._public = pool(ground), pool(Ground())

    async def close(self) -> None:
        """Close every connection."""
        await self._open.aclose()
        await self._public.aclose()

    async def get(self, url: httpx2.URL, *, public_only: bool, extra: Sequence[tuple[str, str]] = ()) -> Answer:
        """Return the answer to one GET; redirects are not followed.

        `public_only` leaves out the operator's private networks; `extra` are headers that this server decides on.

        Raises:
            Denied: the guard refuses the address or the port.
            Unavailable: no connection, TLS failed, or the answer is not HTTP.
            TooSlow: the server was silent for too long.
        """
        async with self._response(url, public_only, extra) as response:
            headers = joined(response.headers)
            public = from_public_peer(response)
            if not 200 <= response.status < 300 or not readable(headers):
                return Answer(response.status, headers, public)
            body, cut = await self._body(response, headers)
            return Answer(response.status, headers, public, body, cut)

    @asynccontextmanager
    async def _response(
        self, url: httpx2.URL, public_only: bool, extra: Sequence[tuple[str, str]]
    ) -> AsyncGenerator[httpcore2.Response]:
        pool = self._public if public_only else self._open
        patience = self.caps.first_byte
        limits = {"connect": patience, "read": patience, "write": patience, "pool": self.caps.seconds}
        target = httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        host = url.netloc.decode("ascii")
        headers = [("Host", host), *HEADERS, *extra]
        try:
            async with pool.stream("GET", target, headers=headers, extensions={"timeout": limits}) as response:
                yield response
        except httpcore2.TimeoutException:
            raise TimeoutError from None
        except httpcore2.ProtocolError:
            raise Unavailable(f"{url.host} sent an answer that is not HTTP. Try another source.") from None
        except httpcore2.NetworkError as failure:
            raise Unavailable(broken(url, failure)) from None

    async def _body(self, response: httpcore2.Response, headers: Mapping[str, str]) -> tuple[bytes, bool]:
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise Unavailable("The server compressed the page in a way that was not asked for. Try another source.")
        unpacked = Unpacked(self.caps, zipped=encoding.endswith("gzip"))
        async for chunk in response.aiter_stream():
            if not unpacked.take(chunk):
                return bytes(unpacked.body), True
        return bytes(unpacked.body), unpacked.unfinished


class Unpacked:
    """A body as it arrives, decompressed chunk by chunk and never beyond the caps."""

    def __init__(self, caps: Caps, *, zipped: bool) -> None:
        self.body = bytearray()
        self._caps, self._wire = caps, 0
        self._unzip = zlib.decompressobj(31) if zipped else None

    @property
    def unfinished(self) -> bool:
        """Whether the compressed stream ended before its end."""
        return self._unzip is not None and self._wire > 0 and not self._unzip.eof

    def take(self, chunk: bytes) -> bool:
        """Add a chunk from the wire; return False once a cap is reached."""
        self._wire += len(chunk)
        room = self._caps.decoded - len(self.body)
        if self._unzip is None:
            self.body += chunk[:room]
            return len(chunk) <= room
        try:
            self.body += self._unzip.decompress(chunk, room + 1)
        except zlib.error:
            raise Unavailable("The page arrived damaged: its compression is broken. Try again.") from None
        if len(self.body) > self._caps.decoded:
            del self.body[self._caps.decoded :]
            return False
        return self._wire <= self._caps.wire


def joined(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return the headers by lower-case name; repeated ones joined by commas (RFC 9110, 5.2)."""
    by_name: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        by_name[name] = f"{by_name[name]}, {value}" if name in by_name and name != "location" else value
    return by_name


def readable(headers: Mapping[str, str]) -> bool:
    """Return whether the body is worth its bytes: text of some kind, or of a type that only its bytes tell."""
    content_type = headers.get("content-type", "")
    return media_type(content_type) in VAGUE or kind_of(content_type, b"") is not None


def from_public_peer(response: httpcore2.Response) -> bool:
    """Return whether the other end of the connection is on the public internet."""
    extensions = cast("Mapping[str, httpcore2.AsyncNetworkStream]", response.extensions)  # pyright: ignore[reportUnknownMemberType]
    peer: tuple[str, int] | None = extensions["network_stream"].get_extra_info("server_addr")
    return peer is None or is_public(ip_address(peer[0]))


def broken(url: httpx2.URL, failure: httpcore2.NetworkError) -> str:
    """Return what to tell about a connection that failed."""
    cause = failure.__cause__ or failure.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate of {url.host} does not prove that it is {url.host}. Use another source."
    if isinstance(cause, ssl.SSLError):
        return f"No secure connection to {url.host} at port {port_of(url)}. Check the URL, or use another source."
    return f"The connection to {url.host} broke off. Try again later, or another source."
