"""A web site on loopback that answers exactly what a test wants, down to the bytes and their pace."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from servers.fetch.addresses import Ground
from servers.fetch.web import Settings

Wild = Callable[[asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = Ground((ip_network("127.0.0.0/8"), ip_network("::1/128")))
TLS_HELLO = b"\x16"
OPEN = Settings(ground=LOOPBACK)
"""Settings with which a page on loopback may be fetched at any port."""


def answer(
    body: bytes | str = b"", content_type: str = "text/html; charset=utf-8", status: str = "200 OK", **headers: str
) -> bytes:
    """Return a whole HTTP answer; `_` in a header's name is a dash."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}"]
    if content_type:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + data


@dataclass
class Request:
    """What arrived at the site."""

    path: str
    headers: Mapping[str, str]


@dataclass
class Site:
    """Pages by path; a page is a whole answer, or a function that writes what it likes."""

    pages: dict[str, bytes | Wild] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0

    def url(self, path: str = "/", host: str | None = None) -> str:
        """Return the URL of a path of this site."""
        return f"http://{host or self.host}:{self.port}{path}"

    def asked(self) -> list[str]:
        """Return the paths that were asked for, robots.txt apart."""
        return [request.path for request in self.requests if request.path != "/robots.txt"]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after another on a connection."""
        try:
            while True:
                first = await reader.readexactly(1)
                if first == TLS_HELLO:
                    writer.write(answer("this is plain HTTP", status="400 Bad Request"))
                    return
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                path = head[0].split(" ")[1]
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
                self.requests.append(Request(path, headers))
                page = self.pages.get(path, answer("nothing here", status="404 Not Found"))
                if not isinstance(page, bytes):
                    await page(writer)
                    return
                writer.write(page)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    pages: Mapping[str, bytes | Wild] | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncGenerator[Site]:
    """Serve a site on a free port while the block runs."""
    site = Site(dict(pages or {}), host=host)
    server = await asyncio.start_server(site.serve, host, 0, ssl=tls)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


@dataclass
class Names:
    """A resolver that answers what a test wrote down, the next answer at each lookup, the last one for ever."""

    answers: Mapping[str, Sequence[Sequence[str]]]
    asked: list[str] = field(default_factory=list)

    async def lookup(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`."""
        if host not in self.answers:
            raise OSError(f"no {host}")
        turns = self.answers[host]
        self.asked.append(host)
        return turns[min(self.asked.count(host), len(turns)) - 1]
