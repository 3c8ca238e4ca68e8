"""One GET of one URL through the guard: bounded on the wire, decoded, and in time.

Nothing of the caller's environment goes along: no proxy, no cookie, no credential, no header
that an argument could set. Only gzip is asked for (RFC 9110, 12.5.3), so only gzip is decoded, and never
more of it than the cap.
"""

from __future__ import annotations

import io
import ssl
import zlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import cast

import anyio
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
CONNECTIONS = 40
STEP = 262_144
SHORT = 16_384
MOST_HEADERS = 256
GZIP = 16 + zlib.MAX_WBITS
LARGE = 512_000
"""Bytes of a body that may be in memory beside others."""


@dataclass(frozen=True)
class Caps:
    """How much one page may cost."""

    wire: int = 5_000_000
    """Bytes received of a text page."""
    decoded: int = 5_000_000
    """Bytes of a text page after decompression."""
    document: int = 10_000_000
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
        self._large = anyio.Lock()
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

    async def get(
        self,
        url: httpx2.URL,
        *,
        public_only: bool,
        extra: Sequence[tuple[str, str]] = (),
        hold: AsyncExitStack | None = None,
    ) -> Answer:
        """Return the answer to one GET; redirects are not followed.

        `public_only` leaves out the operator's private networks; `extra` are headers that this server decides on.
        Of all bodies of more than `LARGE` bytes one is in memory at a time: it is, until `hold` is closed.

        Raises:
            Denied: the guard refuses the address or the port.
            Unavailable: no connection, TLS failed, or the answer is not HTTP.
            TooSlow: the server was silent for too long.
        """
        async with self._response(url, public_only, extra) as response:
            if len(response.headers) > MOST_HEADERS:
                raise Unavailable(f"{url.host} sent an answer of headers without end. Try another source.")
            headers = joined(response.headers)
            public = from_public_peer(response)
            if not 200 <= response.status < 300 or response.status == 204 or not readable(headers):
                await drain(response, headers)
                return Answer(response.status, headers, public)
            async with AsyncExitStack() as brief:
                body, cut = await self._body(response, headers, hold or brief)
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

    async def _body(
        self, response: httpcore2.Response, headers: Mapping[str, str], hold: AsyncExitStack
    ) -> tuple[bytes, bool]:
        encoding = headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise Unavailable("The server compressed the page in a way that was not asked for. Try another source.")
        kind = kind_of(headers.get("content-type", ""), b"")
        wire, decoded = (self.caps.document,) * 2 if kind and kind.document else (self.caps.wire, self.caps.decoded)
        unpacking, body, taken, held = Unpacking(zipped=encoding.endswith("gzip")), io.BytesIO(), 0, False
        async for chunk in response.aiter_stream():
            taken += len(chunk)
            for plain in unpacking.pieces(chunk):
                body.write(plain[: decoded - body.tell()])
                if body.tell() >= decoded:
                    return body.getvalue(), True
                if not held and body.tell() > LARGE:
                    await hold.enter_async_context(self._large)
                    held = True
            if taken > wire:
                return body.getvalue(), True
        return body.getvalue(), unpacking.unfinished


class Unpacking:
    """A body as it arrives, decompressed in small pieces so that nobody swells before the caps are looked at."""

    def __init__(self, *, zipped: bool) -> None:
        self._unzip = zlib.decompressobj(GZIP) if zipped else None
        self._begun = False

    @property
    def unfinished(self) -> bool:
        """Whether the compressed stream broke off before its end."""
        return self._unzip is not None and self._begun and not self._unzip.eof

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the plain bytes of a chunk from the wire. Raises `Unavailable` if its compression is broken."""
        if self._unzip is None:
            yield chunk
            return
        plain = b""
        while chunk or len(plain) == STEP:
            if self._unzip.eof:  # a gzip file may have several members, RFC 1952, 2.2
                if not chunk.startswith(b"\x1f\x8b"):
                    return
                self._unzip = zlib.decompressobj(GZIP)
            self._begun = True
            try:
                plain = self._unzip.decompress(chunk, STEP)
            except zlib.error:
                raise Unavailable("The page arrived damaged: its compression is broken. Try again.") from None
            chunk = self._unzip.unused_data or self._unzip.unconsumed_tail
            yield plain


def joined(headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return the headers by lower-case name; repeated ones joined by commas (RFC 9110, 5.2)."""
    by_name: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name == "location":  # bytes that are not ASCII are meant as bytes of a URL
            value = "".join(letter if letter.isascii() else f"%{ord(letter):02X}" for letter in value)
        by_name[name] = f"{by_name[name]}, {value}" if name in by_name and name != "location" else value
    return by_name


async def drain(response: httpcore2.Response, headers: Mapping[str, str]) -> None:
    """Read a short body that nobody wants, so that the connection can be used again."""
    length = headers.get("content-length", "")
    if length.isdecimal() and len(length) < 6 and int(length) <= SHORT:
        async for _ in response.aiter_stream():
            pass


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
