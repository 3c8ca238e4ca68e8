"""What was fetched lately, kept in memory so that the next part of a page costs nothing."""

from __future__ import annotations

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from servers.fetch.kinds import Kind
from servers.fetch.views import Rendered, View

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
PAGE_BYTES, TEXT_BYTES = 3_000_000, 6_000_000
LARGE = 1_000_000


@dataclass(frozen=True)
class Page:
    """An answer that can be read, and where it came from."""

    asked: str
    """The URL that was asked for."""
    url: str
    """Where the redirects ended."""
    status: int
    content_type: str
    kind: Kind
    body: bytes = field(repr=False)
    cut: bool
    """The body is longer than the caps."""
    fetched: float
    """When, in seconds of the clock that `Web` was given."""
    etag: str = ""
    modified: str = ""
    bodiless: bool = False
    """Its body was too large to keep: what is not in a text of it has to be fetched again."""

    @property
    def validators(self) -> tuple[tuple[str, str], ...]:
        """The request headers that ask whether the page changed (RFC 9110, 13.1); none if it cannot be told."""
        if self.bodiless:
            return ()
        both = (("If-None-Match", self.etag), ("If-Modified-Since", self.modified))
        return tuple((name, value) for name, value in both if value and value.isascii() and value.isprintable())

    @property
    def id(self) -> str:
        """A short name for `web://cache/{id}`; the same page fetched again keeps it."""
        return hashlib.sha256(self.asked.encode()).hexdigest()[:16]


class Kept(Generic[K, V]):
    """The last used values whose sizes add up to no more than a budget."""

    def __init__(self, budget: int, size: Callable[[V], int]) -> None:
        self._budget, self._size = budget, size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._used = 0

    def get(self, key: K) -> V | None:
        """Return the value, which is now the last used one."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: K, value: V) -> None:
        """Keep the value; the ones not used for longest make room. One that is over the budget is not kept."""
        self.drop(key)
        if self._size(value) > self._budget:
            return
        self._values[key] = value
        self._used += self._size(value)
        while self._used > self._budget:
            self._used -= self._size(self._values.popitem(last=False)[1])

    def drop(self, key: K) -> None:
        """Forget the value, if it is there."""
        if key in self._values:
            self._used -= self._size(self._values.pop(key))

    def items(self) -> tuple[tuple[K, V], ...]:
        """Return what is kept, the last used one last; looking does not count as use."""
        return tuple(self._values.items())


class Cache:
    """Pages by the URL they were asked by, and their texts by view."""

    def __init__(self) -> None:
        self._pages: Kept[str, Page] = Kept(PAGE_BYTES, lambda page: len(page.body) + 1_000)
        self._texts: Kept[tuple[str, View], Rendered] = Kept(TEXT_BYTES, lambda text: sys.getsizeof(text.text) + 500)

    def page(self, url: str) -> Page | None:
        """Return the page that was asked for by this URL, if it is still here."""
        return self._pages.get(url)

    def put(self, page: Page) -> None:
        """Keep a page; texts of an earlier one under its URL are forgotten. Of a large one only its texts will stay."""
        for key, _ in self._texts.items():
            if key[0] == page.asked:
                self._texts.drop(key)
        self._pages.put(page.asked, page if len(page.body) <= LARGE else replace(page, body=b"", bodiless=True))

    def renew(self, page: Page) -> None:
        """Keep a page that is the same as before, with its texts."""
        self._pages.put(page.asked, page)

    def text(self, page: Page, view: View) -> Rendered | None:
        """Return the text of `page` in `view`, if it was made before."""
        return self._texts.get((page.asked, view))

    def put_text(self, page: Page, view: View, text: Rendered) -> None:
        """Keep the text of `page` in `view`."""
        self._texts.put((page.asked, view), text)

    def by_id(self, identity: str) -> Page | None:
        """Return the page with this `Page.id`, if it is still here."""
        return next((page for _, page in self._pages.items() if page.id == identity), None)
