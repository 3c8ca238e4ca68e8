"""The web as this server sees it: pages by URL, through the guard, kept for a while."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import anyio
import httpx2

from servers.fetch import urls
from servers.fetch.addresses import Ground
from servers.fetch.cache import Cache, Page
from servers.fetch.failures import Denied, Invalid, NoSuchPage, TooSlow, Unavailable, WrongType
from servers.fetch.guard import Ports, Resolver, SystemResolver
from servers.fetch.kinds import charset_of, kind_of, media_type
from servers.fetch.pace import Manners, Pace
from servers.fetch.robots import Robots
from servers.fetch.transfer import Answer, Caps, Wire
from servers.fetch.urls import Domains
from servers.fetch.views import Rendered, Source, View
from servers.fetch.workshop import Workshop
from servers.refusals import Refusal

SECONDS = re.compile(r"[0-9]{1,6}")
VISITS = 24
"""Pages on their way at once; the others wait."""
Step = Callable[[httpx2.URL, bool], Awaitable[Answer]]


@dataclass(frozen=True)
class Settings:
    """What the operator decided."""

    ground: Ground = field(default_factory=Ground)
    ports: Ports = field(default_factory=Ports)
    domains: Domains = field(default_factory=Domains)
    caps: Caps = field(default_factory=Caps)
    manners: Manners = field(default_factory=Manners)
    robots: bool = True
    """Whether robots.txt is asked before a page is read for a model."""


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
        self._workshop = Workshop()
        self._robots = Robots(self._robots_txt, clock)
        self._pace = Pace(settings.manners, clock)
        self._visits = anyio.Semaphore(VISITS)
        self.cache = Cache()

    async def __aenter__(self) -> Web:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.move_on_after(1, shield=True):
            await self._wire.close()
            await self._workshop.close()

    async def read(self, url: str, view: View, *, max_age: float, asked_by_user: bool = False) -> Reading:
        """Return the page at `url` in `view`; one fetched less than `max_age` seconds ago is not fetched again.

        `asked_by_user`: a person wants this very page, so robots.txt, which is for programs, is not asked.

        Raises a `Refusal` of `servers.fetch.failures` that says what to do.
        """
        target = urls.parse(url)
        self._settings.domains.check(target)
        try:
            with anyio.fail_after(self._settings.caps.seconds):
                return await self._read(target, view, max_age, robots=self._settings.robots and not asked_by_user)
        except TimeoutError:
            refusal = TooSlow(f"{target.host} did not send the page in time. Try again later, or another source.")
        except Refusal as failure:
            # Without the frames that it went through: they hold whole bodies, and who keeps it would keep those.
            refusal = failure.with_traceback(None)
        refusal.__context__ = refusal.__cause__ = None
        try:
            raise refusal
        finally:
            del refusal

    async def kept(self, identity: str, view: View) -> Reading:
        """Return a page by its `Page.id`. Raises `NoSuchPage` if it is not kept any more."""
        page = self.cache.by_id(identity)
        if page is None or not self._at_hand(page, view):
            raise NoSuchPage("No page is kept under this id. Fetch it again by its URL.")
        return Reading(page, await self._rendered(page, view), cached=True)

    async def _read(self, target: httpx2.URL, view: View, max_age: float, *, robots: bool) -> Reading:
        known = self.cache.page(urls.shown(target))
        if known is not None and self._clock() - known.fetched < max_age and self._at_hand(known, view):
            return Reading(known, await self._rendered(known, view), cached=True)
        async with self._visits, AsyncExitStack() as hold:
            page = await self._visit(target, known, hold, robots=robots)
            if known is not None and page.body is known.body:
                self.cache.renew(page)
            else:
                self.cache.put(page)
            return Reading(page, await self._rendered(page, view), cached=False)

    def _at_hand(self, page: Page, view: View) -> bool:
        return not page.bodiless or self.cache.text(page, view) is not None

    async def _rendered(self, page: Page, view: View) -> Rendered:
        known = self.cache.text(page, view)
        if known is not None:
            return known
        source = Source(page.body, page.kind, charset_of(page.content_type), page.url)
        rendered = await self._workshop.render(source, view)
        self.cache.put_text(page, view, rendered)
        return rendered

    async def _visit(self, asked: httpx2.URL, known: Page | None, hold: AsyncExitStack, *, robots: bool) -> Page:
        async def step(url: httpx2.URL, public_only: bool) -> Answer:
            if robots:
                await self._robots.check(url, public_only=public_only)
            extra = known.validators if known is not None and known.url == urls.shown(url) else ()
            await self._workshop.warm()
            async with self._pace.turn(url.host):
                return await self._wire.get(url, public_only=public_only, extra=extra, hold=hold)

        url, answer = await self._follow(asked, public_only=False, step=step)
        if answer.status == 304 and known is not None:
            return replace(known, fetched=self._clock())
        return self._arrived(asked, url, answer)

    async def _robots_txt(self, url: httpx2.URL, public_only: bool) -> Answer:
        async def step(url: httpx2.URL, public_only: bool) -> Answer:
            return await self._wire.get(url, public_only=public_only)

        return (await self._follow(url, public_only=public_only, step=step))[1]

    async def _follow(self, asked: httpx2.URL, *, public_only: bool, step: Step) -> tuple[httpx2.URL, Answer]:
        url = asked
        for _ in range(self._settings.caps.redirects + 1):
            self._settings.domains.check(url)
            answer = await step(url, public_only)
            if answer.redirect is None:
                return url, answer
            # What the public internet sent us to must be public too, also where the operator opened a private network.
            public_only = public_only or answer.public
            url = next_url(url, answer.redirect)
        raise Unavailable(f"{asked.host} redirects more than {self._settings.caps.redirects} times. Try another URL.")

    def _arrived(self, asked: httpx2.URL, url: httpx2.URL, answer: Answer) -> Page:
        wait = answer.headers.get("retry-after", "")
        if answer.status in (429, 503) and SECONDS.fullmatch(wait):
            self._pace.quiet(url.host, float(wait))
        check_status(url, answer)
        content_type = answer.headers.get("content-type", "")
        kind = kind_of(content_type, answer.body, url.path)
        if kind is None:
            raise WrongType(
                f"The page is {media_type(content_type) or 'of an unknown type'}, not text. Only HTML, text, JSON, XML,"
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
        after = f"after {wait} seconds" if SECONDS.fullmatch(wait) else "later"
        raise Unavailable(f"{host} asks to be left alone for now ({status}). Try again {after}, or another source.")
    if status >= 500:
        raise Unavailable(f"{host} is broken at the moment ({status}). Try again later, or another source.")
    raise Unavailable(f"{host} answered {status}, which is no page. Check the URL, or use another source.")
