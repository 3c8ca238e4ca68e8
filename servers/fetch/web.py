"""The web as this server sees it: pages by URL, through the guard, kept for a while."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import httpx2

from servers.fetch import urls
from servers.fetch.addresses import Ground
from servers.fetch.cache import Cache, Page
from servers.fetch.failures import Denied, Invalid, NoSuchPage, TooSlow, Unavailable, WrongType
from servers.fetch.guard import Ports, Resolver, SystemResolver
from servers.fetch.kinds import charset_of, kind_of, media_type
from servers.fetch.transfer import Answer, Caps, Wire
from servers.fetch.urls import Domains
from servers.fetch.views import Rendered, Source, View, render

TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,80}")


@dataclass(frozen=True)
class Settings:
    """What the operator decided."""

    ground: Ground = field(default_factory=Ground)
    ports: Ports = field(default_factory=Ports)
    domains: Domains = field(default_factory=Domains)
    caps: Caps = field(default_factory=Caps)


@dataclass(frozen=True)
class Reading:
    """A page in one view."""

    page: Page
    rendered: Rendered
    cached: bool
    """Whether nothing was asked of the network for it."""


class Web:
    """Fetches and keeps pages. Enter it before use; leaving it closes its connections."""

    def __init__(
        self, settings: Settings, resolver: Resolver | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings, self._clock = settings, clock
        self._wire = Wire(settings.ground, settings.ports, resolver or SystemResolver(), settings.caps)
        self.cache = Cache()
        self._converting = anyio.Lock()

    async def __aenter__(self) -> Web:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(1, shield=True):
            await self._wire.close()

    async def read(self, url: str, view: View, *, max_age: float) -> Reading:
        """Return the page at `url` in `view`; one fetched less than `max_age` seconds ago is not fetched again.

        Raises a `Refusal` of `servers.fetch.failures` that says what to do.
        """
        target = urls.parse(url)
        self._settings.domains.check(target.host)
        try:
            with anyio.fail_after(self._settings.caps.seconds):
                page, cached = await self._page(target, max_age)
                return Reading(page, await self.view(page, view), cached)
        except TimeoutError:
            raise TooSlow(f"{target.host} did not send the page in time. Try again later, or another source.") from None

    async def _page(self, target: httpx2.URL, max_age: float) -> tuple[Page, bool]:
        known = self.cache.page(urls.shown(target))
        if known is not None and self._clock() - known.fetched <= max_age:
            return known, True
        page = await self._visit(target)
        self.cache.put(page)
        return page, False

    async def view(self, page: Page, view: View) -> Rendered:
        """Return a fetched page in `view`."""
        known = self.cache.text(page, view)
        if known is not None:
            return known
        source = Source(page.body, page.kind, charset_of(page.content_type), page.url)
        async with self._converting:
            rendered = await anyio.to_thread.run_sync(render, source, view, abandon_on_cancel=True)
        self.cache.put_text(page, view, rendered)
        return rendered

    async def _visit(self, asked: httpx2.URL) -> Page:
        url, public_only = asked, False
        for _ in range(self._settings.caps.redirects + 1):
            self._settings.domains.check(url.host)
            answer = await self._wire.get(url, public_only=public_only)
            if answer.redirect is None:
                return self._arrived(asked, url, answer)
            # What the public internet sent us to must be public too, also where the operator opened a private network.
            public_only = public_only or answer.public
            url = next_url(url, answer.redirect)
        raise Unavailable(f"{asked.host} redirects more than {self._settings.caps.redirects} times. Try another URL.")

    def _arrived(self, asked: httpx2.URL, url: httpx2.URL, answer: Answer) -> Page:
        check_status(url, answer)
        content_type = answer.headers.get("content-type", "")
        kind = kind_of(content_type, answer.body, url.path)
        if kind is None:
            shown = TYPE.fullmatch(media_type(content_type))
            raise WrongType(
                f"The page is {shown.group() if shown else 'of an unknown type'}, not text. Only HTML, text, JSON, XML,"
                " PDF, docx and xlsx can be read here."
            )
        return Page(
            asked=urls.shown(asked),
            url=urls.shown(url),
            status=answer.status,
            content_type=content_type,
            kind=kind,
            body=answer.body,
            cut=answer.cut,
            fetched=self._clock(),
            etag=answer.headers.get("etag", ""),
            modified=answer.headers.get("last-modified", ""),
            public=answer.public,
        )


def next_url(url: httpx2.URL, location: str) -> httpx2.URL:
    """Return where a redirect leads. Raises `Invalid` or `Denied` if nobody should go there."""
    try:
        target = urls.parse(str(url.join(location.strip(" \t").replace(" ", "%20"))))
    except (httpx2.InvalidURL, ValueError):
        raise Unavailable(f"{url.host} redirects to something that is not a URL. Try another source.") from None
    except Invalid:
        raise Denied(f"{url.host} redirects to something that is no web page. Try another source.") from None
    if url.scheme == "https" and target.scheme == "http":
        raise Denied(f"{url.host} redirects from https to http. If that is fine, ask for the http URL itself.")
    return target


def check_status(url: httpx2.URL, answer: Answer) -> None:
    """Raise the failure that this status means (RFC 9110, 15); nothing for a page."""
    status, host = answer.status, url.host
    if 200 <= status < 300:
        return
    if status in (404, 410):
        raise NoSuchPage(f"{host} has no such page ({status}). Check the URL, or search for the page.")
    if status in (401, 402, 403, 407, 451):
        raise Denied(f"{host} does not show this page to this reader ({status}). Use another source.")
    if status == 429 or (status == 503 and "retry-after" in answer.headers):
        wait = answer.headers.get("retry-after", "")
        after = f"after {wait} seconds" if wait.isdigit() and len(wait) < 7 else "later"
        raise Unavailable(f"{host} asks to be left alone for now ({status}). Try again {after}, or another source.")
    if status >= 500:
        raise Unavailable(f"{host} is broken at the moment ({status}). Try again later, or another source.")
    raise Unavailable(f"{host} answered {status}, which is no page. Check the URL, or use another source.")
