"""Search engines that an operator can put behind `web_search`: SearXNG by its URL, Brave and Tavily by a key.

The engine is the operator's choice, so its URL may be private and the guard is not asked; what it finds is fetched,
if at all, through the guard. Sources: SearXNG docs "Search API", Brave "Web Search API" v1, Tavily "Search" API.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Protocol

import httpx2
from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from servers.cleaning import clean_line
from servers.fetch.failures import Unavailable

SECONDS = 15.0
MOST_BYTES = 2_000_000
LONGEST_TITLE, LONGEST_SNIPPET, LONGEST_URL = 200, 500, 2_048
BRAVE = "https://api.search.brave.com/res/v1/web/search"
TAVILY = "https://api.tavily.com/search"
DOWN = "Try again later, or fetch a page whose URL you know."


class Since(StrEnum):
    """How old a result may be."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True)
class Question:
    """What is searched for."""

    query: str
    limit: int = 8
    site: str | None = None
    since: Since | None = None

    @property
    def words(self) -> str:
        """The query, narrowed to the site the way people type it."""
        return f"{self.query} site:{self.site}" if self.site else self.query


class Engine(Protocol):
    """A search engine."""

    async def search(self, question: Question) -> Sequence[Hit]:
        """Return what was found, best first. Raises `Unavailable`."""
        ...


def _none_is_empty(value: object) -> object:
    return "" if value is None else value


Words = Annotated[str, BeforeValidator(_none_is_empty)]


class Hit(BaseModel):
    """One result, as any of the engines sends it."""

    model_config = ConfigDict(frozen=True)

    title: Words = ""
    url: Words = ""
    snippet: Words = Field(default="", validation_alias=AliasChoices("content", "description", "snippet"))
    date: Words = Field(default="", validation_alias=AliasChoices("publishedDate", "published_date", "page_age", "age"))

    def shown(self) -> Hit:
        """Return it cleaned and cut to what is useful."""
        return Hit.model_construct(
            title=clean_line(self.title)[:LONGEST_TITLE],
            url=clean_line(self.url),
            snippet=clean_line(self.snippet)[:LONGEST_SNIPPET],
            date=clean_line(self.date)[:40],
        )


class Hits(BaseModel):
    """The results of SearXNG and Tavily, and of Brave under `web`."""

    model_config = ConfigDict(frozen=True)

    results: tuple[Hit, ...] = ()
    web: Hits | None = None


@dataclass(frozen=True)
class Searxng:
    """A SearXNG of the operator; its settings must list `json` under `search.formats`."""

    url: str

    async def search(self, question: Question) -> Sequence[Hit]:
        """Return what was found, best first. Raises `Unavailable`."""
        parameters = {"q": question.words, "format": "json", "safesearch": "1"}
        if question.since:
            parameters["time_range"] = question.since
        url = httpx2.URL(self.url.rstrip("/") + "/search", params=parameters)
        return await hits(httpx2.Request("GET", url, headers={"Accept": "application/json"}), question)


@dataclass(frozen=True)
class Brave:
    """Brave's API, paid for by the operator's key."""

    key: str
    url: str = BRAVE

    async def search(self, question: Question) -> Sequence[Hit]:
        """Return what was found, best first. Raises `Unavailable`."""
        parameters = {"q": question.words, "count": str(question.limit), "text_decorations": "false"}
        if question.since:
            parameters["freshness"] = f"p{question.since[0]}"
        headers = {"Accept": "application/json", "X-Subscription-Token": self.key}
        return await hits(httpx2.Request("GET", httpx2.URL(self.url, params=parameters), headers=headers), question)


@dataclass(frozen=True)
class Tavily:
    """Tavily's API, paid for by the operator's key."""

    key: str
    url: str = TAVILY

    async def search(self, question: Question) -> Sequence[Hit]:
        """Return what was found, best first. Raises `Unavailable`."""
        asked: dict[str, object] = {"query": question.query, "max_results": question.limit}
        if question.site:
            asked["include_domains"] = [question.site]
        if question.since:
            asked["time_range"] = question.since.value
        headers = {"Authorization": f"Bearer {self.key}"}
        return await hits(httpx2.Request("POST", self.url, json=asked, headers=headers), question)


async def hits(request: httpx2.Request, question: Question) -> Sequence[Hit]:
    """Return the results that the engine answers with. Raises `Unavailable`, which names neither URL nor key."""
    try:
        async with answering(request) as response:
            check(response)
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MOST_BYTES:
                    raise Unavailable(f"The search engine answered with far too much. {DOWN}")
        found = Hits.model_validate_json(bytes(body))
    except (httpx2.HTTPError, httpx2.InvalidURL):
        raise Unavailable(f"The search engine does not answer. {DOWN}") from None
    except ValidationError:
        raise Unavailable(f"The search engine answered with something that is no list of results. {DOWN}") from None
    results = (found.web or found).results
    useful = [
        hit.shown() for hit in results if hit.url.startswith(("https://", "http://")) and len(hit.url) <= LONGEST_URL
    ]
    return useful[: question.limit]


@asynccontextmanager
async def answering(request: httpx2.Request) -> AsyncGenerator[httpx2.Response]:
    """Send a request to the engine, and to nowhere else: no proxy from the environment, no redirect."""
    async with httpx2.AsyncClient(trust_env=False, timeout=SECONDS) as client:
        response = await client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()


def check(response: httpx2.Response) -> None:
    """Raise `Unavailable` unless the engine agrees to answer."""
    if response.status_code in (401, 403):
        raise Unavailable(f"The search engine refuses this server; its operator has to look at its settings. {DOWN}")
    if response.status_code == 429:
        raise Unavailable(f"The search engine has been asked too often. {DOWN}")
    if response.status_code != 200:
        raise Unavailable(f"The search engine fails ({response.status_code}). {DOWN}")


def configured(searxng: str | None, environment: Mapping[str, str]) -> Engine | None:
    """Return the engine that the operator set up: SearXNG's URL first, then the keys in the environment."""
    if searxng:
        return Searxng(searxng)
    if key := environment.get("BRAVE_API_KEY"):
        return Brave(key)
    if key := environment.get("TAVILY_API_KEY"):
        return Tavily(key)
    return None
