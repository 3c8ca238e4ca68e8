"""The server as its clients meet it: in process in both eras, as a program over stdio, and over HTTP."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent, TextResourceContents

from servers.fetch.protocol.results import META
from servers.fetch.search import Brave, Engine, Searxng, Tavily, configured
from servers.fetch.server import build
from tests.servers.fetch.reading import body, facts, fetch, text
from tests.servers.fetch.site import OPEN, Site, Wild, answer, serving

pytestmark = pytest.mark.anyio
Mode = Literal["auto", "legacy"]
PAGE = answer("<title>Tea</title><h1>Tea</h1><p>From <a href='b'>Assam</a>.<p hidden>psst")
PROGRAM = ["-m", "servers.fetch", "--allow-cidr", "127.0.0.1/32"]


@asynccontextmanager
async def in_process(mode: Mode) -> AsyncGenerator[Client]:
    async with Client(build(OPEN), mode=mode) as client:
        yield client


@asynccontextmanager
async def over_stdio(mode: Mode) -> AsyncGenerator[Client]:
    async with Client(StdioServerParameters(command=sys.executable, args=PROGRAM), mode=mode) as client:
        yield client


@asynccontextmanager
async def over_http(mode: Mode) -> AsyncGenerator[Client]:
    process = await anyio.open_process([sys.executable, *PROGRAM, "--http", "127.0.0.1:0"], stdout=None)
    assert process.stderr is not None
    try:
        said = b""
        with anyio.fail_after(20):
            while b"/mcp" not in said:
                said += await process.stderr.receive()
        url = next(word for word in said.decode().split() if word.startswith("http://"))
        async with (
            httpx2.AsyncClient() as http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            yield client
    finally:
        process.terminate()
        with anyio.fail_after(10, shield=True):
            await process.wait()
        await process.aclose()


WAYS = {"in process": in_process, "stdio": over_stdio, "http": over_http}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_tool_answers_over_every_way_in_both_eras(way: str, mode: Mode) -> None:
    async with serving({"/a": PAGE}) as site, WAYS[way](mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["web_fetch", "web_fetch_many"]
        result = await fetch(client, site.url("/a"))
        assert text(result).startswith(f"[{site.url('/a')} · 200 · text/html · chars 0-")
        assert "· 4 hidden chars left out]\n<untrusted-data-" in text(result)
        assert body(result) == f"# Tea\n\nFrom [Assam]({site.url('/b')})."
        assert facts(result)["title"] == "Tea"
        assert result.structured_content is None
        both = await client.call_tool("web_fetch_many", {"urls": [site.url("/a"), site.url("/missing")]})
        assert [each.text.split("\n")[1][:11] for each in both.content if isinstance(each, TextContent)][
            1
        ] == "not_found: "
        resource = await client.read_resource(facts(result)["resource"])
        assert isinstance(resource.contents[0], TextResourceContents)
        assert "# Tea" in resource.contents[0].text
        prompt = await client.get_prompt("fetch", {"url": site.url("/a")})
        assert "# Tea" in str(prompt.messages[0].content)


async def test_the_list_of_tools_is_short_and_says_what_a_tool_may_do() -> None:
    async with Client(build(OPEN, engine=Brave("key"))) as client:
        tools = (await client.list_tools()).tools
    size = len(json.dumps({"tools": [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools]}).encode())
    assert size <= 6_000
    assert [tool.name for tool in tools] == ["web_fetch", "web_fetch_many", "web_search"]
    for tool in tools:
        assert tool.annotations is not None
        assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, True)
        assert tool.input_schema["additionalProperties"] is False


async def test_several_pages_come_in_the_order_asked_each_with_its_own_error() -> None:
    pages = {f"/{number}": answer(f"<p>page {number}") for number in range(5)}
    steps: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append((progress, total))

    async with serving(pages) as site, Client(build(OPEN)) as client:
        urls = [site.url("/3"), "ftp://x", site.url("/1"), site.url("/nope"), site.url("/0")]
        with anyio.fail_after(20):
            result = await client.call_tool("web_fetch_many", {"urls": urls}, progress_callback=note)
        shown = [each.text for each in result.content if isinstance(each, TextContent)]
        assert ["page 3" in shown[0], "page 1" in shown[2], "page 0" in shown[4]] == [True, True, True]
        assert (
            shown[1]
            == "[ftp://x]\ninvalid: Only http and https URLs can be fetched. Give a whole one, such as https://example.com/page."
        )
        assert "\nnot_found: " in shown[3]
        assert not result.is_error
        assert result.meta is not None
        assert [each.get("error") for each in result.meta[META]] == [None, "invalid", None, "not_found", None]
        assert sorted(steps)[-1] == (5, 5)
        assert (await client.call_tool("web_fetch_many", {"urls": ["ftp://x"]})).is_error


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "invalid: "),
        ({"url": 5}, "invalid: "),
        ({"url": "http://x.example", "format": "pdf"}, "invalid: "),
        ({"url": "http://x.example", "max_chars": 1}, "invalid: "),
        ({"url": "http://x.example", "start": -1}, "invalid: "),
        ({"url": "http://x.example", "timeout": 3}, "invalid: "),
    ],
)
async def test_wrong_arguments_are_told_in_words(arguments: dict[str, Any], said: str) -> None:
    async with Client(build(OPEN)) as client:
        result = await client.call_tool("web_fetch", arguments)
    assert result.is_error
    assert text(result).startswith(said)
    assert "pydantic" not in text(result)


async def test_a_page_that_is_not_kept_any_more_is_a_resource_that_is_not_there() -> None:
    async with Client(build(OPEN)) as client:
        with pytest.raises(MCPError, match="not_found: No page is kept under this id"):
            await client.read_resource("web://cache/0123456789abcdef")


async def test_twenty_pages_at_once_are_all_read() -> None:
    pages = {f"/{number}": answer(f"<p>page {number}") for number in range(5)}
    read: list[str] = []
    async with (
        serving(pages, host="127.0.0.2") as one,
        serving(pages, host="127.0.0.3") as two,
        serving(pages, host="127.0.0.4") as three,
        serving(pages, host="127.0.0.5") as four,
        Client(build(OPEN)) as client,
    ):

        async def get(url: str) -> None:
            read.append(body(await fetch(client, url)))

        async with anyio.create_task_group() as tasks:
            for site in (one, two, three, four):
                for path in pages:
                    tasks.start_soon(get, site.url(path))
    assert sorted(read) == sorted([f"page {number}" for number in range(5)] * 4)


FOUND = [
    {
        "title": "The ferry\x1b[31m",
        "url": "https://a.example/1",
        "content": "leaves at\n7.30",
        "publishedDate": "2026-05-04",
    },
    {"title": "Not a page", "url": "javascript:alert(1)", "content": ""},
    {"title": None, "url": "http://b.example/", "content": "x" * 900},
]
BRAVE = {"web": {"results": [{"title": "F", "url": "https://a.example/1", "description": "d", "age": "2 days ago"}]}}
TAVILY = {"results": [{"title": "F", "url": "https://a.example/1", "content": "d", "score": 0.9}]}


@asynccontextmanager
async def searching(engine: type[Searxng | Brave | Tavily], answered: bytes) -> AsyncGenerator[tuple[Client, Site]]:
    class Everywhere(dict[str, bytes | Wild]):
        def get(self, key: str, default: Any = None) -> Any:
            return answered

    async with serving() as site:
        site.pages = Everywhere()
        made: Engine = Searxng(site.url("")) if engine is Searxng else engine("k3y", site.url("/api"))  # pyright: ignore[reportCallIssue]
        async with Client(build(OPEN, engine=made)) as client:
            yield client, site


async def test_searxng_is_asked_by_its_url_and_its_results_are_cleaned() -> None:
    async with searching(Searxng, answer(json.dumps({"results": FOUND}), "application/json")) as (client, site):
        arguments = {"query": "lake ferry", "site": "a.example", "since": "week", "limit": 5}
        result = await client.call_tool("web_search", arguments)
        assert result.structured_content == {
            "results": [
                {
                    "title": "The ferry[31m",
                    "url": "https://a.example/1",
                    "snippet": "leaves at\\n7.30",
                    "date": "2026-05-04",
                },
                {"title": "", "url": "http://b.example/", "snippet": "x" * 500, "date": None},
            ]
        }
        asked = site.requests[0].path
        assert asked == "/search?q=lake+ferry+site%3Aa.example&format=json&safesearch=1&time_range=week"


async def test_brave_is_asked_with_the_operators_key() -> None:
    async with searching(Brave, answer(json.dumps(BRAVE), "application/json")) as (client, site):
        result = await client.call_tool("web_search", {"query": "ferry", "since": "month", "limit": 3})
        assert result.structured_content is not None
        assert result.structured_content["results"][0]["date"] == "2 days ago"
        assert site.requests[0].path == "/api?q=ferry&count=3&text_decorations=false&freshness=pm"
        assert site.requests[0].headers["x-subscription-token"] == "k3y"


async def test_tavily_is_asked_with_the_operators_key() -> None:
    async with searching(Tavily, answer(json.dumps(TAVILY), "application/json")) as (client, site):
        result = await client.call_tool("web_search", {"query": "ferry", "site": "a.example"})
        assert result.structured_content is not None
        assert result.structured_content["results"][0]["snippet"] == "d"
        assert site.requests[0].headers["authorization"] == "bearer k3y"


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        (answer("no", status="403 No"), "refuses this server"),
        (answer("no", status="429 No"), "asked too often"),
        (answer("no", status="500 No"), "fails (500)"),
        (answer("no", status="302 Go", Location="http://169.254.169.254/"), "fails (302)"),
        (answer("<html>", "text/html"), "no list of results"),
        (answer('{"results": 5}', "application/json"), "no list of results"),
        (answer(b"[" * 2_500_000, "application/json"), "far too much"),
    ],
)
async def test_an_engine_that_fails_is_told_without_its_key_or_url(answered: bytes, said: str) -> None:
    async with searching(Brave, answered) as (client, site):
        result = await client.call_tool("web_search", {"query": "ferry"})
        assert result.is_error
        assert text(result).startswith("unavailable: The search engine ")
        assert said in text(result)
        assert "k3y" not in text(result)
        assert str(site.port) not in text(result)


def test_the_operator_chooses_the_engine_by_url_or_key() -> None:
    keys = {"BRAVE_API_KEY": "b", "TAVILY_API_KEY": "t"}
    assert configured("http://searxng:8080", keys) == Searxng("http://searxng:8080")
    assert configured(None, keys) == Brave("b")
    assert configured(None, {"TAVILY_API_KEY": "t"}) == Tavily("t")
    assert configured(None, {}) is None


@pytest.mark.parametrize(
    "options",
    [["--allow-cidr", "0.0.0.0/0"], ["--allow-cidr", "::/0"], ["--allow-cidr", "10.0.0.1/8"], ["--allow-cidr", "x"],
     ["--allow-port", "0"], ["--allow-port", "http"], ["--searxng", "searxng:8080"],
     ["--deny-domain", "https://evil.example"], ["--deny-domain", "*.evil.example"], ["--allow-domain", "a.example:80"],
     ["--allow-domain", ""]],
)  # fmt: skip
async def test_options_that_cannot_be_meant_end_the_program_with_a_sentence(options: list[str]) -> None:
    with anyio.fail_after(20):
        done = await anyio.run_process([sys.executable, "-m", "servers.fetch", *options], check=False, input=b"")
    assert done.returncode == 2
    assert done.stderr.decode().startswith("mcp-fetch: --")
    assert "Traceback" not in done.stderr.decode()


async def test_an_allowed_port_closes_the_others_of_an_allowed_network() -> None:
    async with serving({"/": answer("page")}) as site, serving({"/": answer("other")}) as other:
        args = [*PROGRAM, "--allow-port", str(site.port)]
        async with Client(StdioServerParameters(command=sys.executable, args=args)) as client:
            assert body(await fetch(client, site.url())) == "page"
            assert text(await fetch(client, other.url())).startswith(f"denied: Port {other.port} is not allowed.")
    assert other.requests == []
