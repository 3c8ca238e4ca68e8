"""How sites are asked: once while a copy is fresh, by its validators after, as robots.txt allows, and not too fast."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest
from mcp import Client

from servers.fetch.failures import Denied, Unavailable
from servers.fetch.pace import Manners, Pace
from servers.fetch.server import build
from servers.fetch.views import View
from servers.fetch.web import Web
from tests.servers.fetch.reading import body, fetch, text
from tests.servers.fetch.site import OPEN, answer, serving

pytestmark = pytest.mark.anyio
PLAIN = "text/plain; charset=utf-8"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_fresh_copy_is_used_and_an_old_one_is_asked_for_again() -> None:
    clock = Clock()
    async with serving({"/": answer("<p>one")}) as site, Web(OPEN, clock=clock) as web:
        for seconds, asked in ((0, 1), (299, 1), (2, 2)):
            clock.now += seconds
            await web.read(site.url(), View(), max_age=300)
            assert len(site.asked()) == asked
        assert (await web.read(site.url(), View(), max_age=0)).cached is False


async def test_a_page_that_did_not_change_is_not_sent_again() -> None:
    page = answer("<p>one", ETag='"v1"', Last_Modified="Mon, 04 May 2026 07:30:00 GMT")
    async with serving({"/": page}) as site, Web(OPEN) as web:
        await web.read(site.url(), View(), max_age=0)
        site.pages["/"] = answer(content_type="", status="304 Not Modified")
        again = await web.read(site.url(), View(), max_age=0)
        assert again.rendered.text == "one"
        assert site.requests[-1].headers["if-none-match"] == '"v1"'
        assert site.requests[-1].headers["if-modified-since"] == "mon, 04 may 2026 07:30:00 gmt"
        site.pages["/"] = answer("<p>two")
        assert (await web.read(site.url(), View(), max_age=0)).rendered.text == "two"


async def test_nothing_of_one_request_is_in_the_next() -> None:
    async with serving({"/": answer("a", Set_Cookie="id=1"), "/b": answer("b")}) as site, Web(OPEN) as web:
        await web.read(site.url(), View(), max_age=0)
        await web.read(site.url("/b"), View(), max_age=0)
        assert not {"cookie", "authorization", "referer"} & set(site.requests[-1].headers)


async def test_robots_txt_is_asked_once_and_obeyed() -> None:
    rules = answer("User-agent: *\nDisallow: /private\nAllow: /private/open\nSECRET-MARK", PLAIN)
    pages = {"/robots.txt": rules, "/": answer("a"), "/private/x": answer("b"), "/private/open": answer("c")}
    async with serving(pages) as site, Client(build(OPEN)) as client:
        assert body(await fetch(client, site.url("/"))) == "a"
        assert body(await fetch(client, site.url("/private/open"))) == "c"
        said = text(await fetch(client, site.url("/private/x")))
        assert said.startswith("denied: 127.0.0.1 asks programs not to read this page (robots.txt).")
        assert "SECRET-MARK" not in said
        assert [request.path for request in site.requests].count("/robots.txt") == 1
        assert "/private/x" not in site.asked()


async def test_a_person_who_asks_is_not_a_program() -> None:
    pages = {"/robots.txt": answer("User-agent: *\nDisallow: /", PLAIN), "/": answer("for people")}
    async with serving(pages) as site, Client(build(OPEN)) as client:
        assert (await fetch(client, site.url("/"))).is_error
        messages = (await client.get_prompt("fetch", {"url": site.url("/")})).messages
        assert "for people" in str(messages[0].content)


async def test_an_operator_can_leave_robots_txt_out() -> None:
    pages = {"/robots.txt": answer("User-agent: *\nDisallow: /", PLAIN), "/": answer("read")}
    async with serving(pages) as site, Web(replace(OPEN, robots=False)) as web:
        assert (await web.read(site.url("/"), View(), max_age=0)).rendered.text == "read"


@pytest.mark.parametrize(
    ("status", "allowed"), [("404 No", True), ("403 No", True), ("410 No", True), ("500 No", False), ("503 No", False)]
)
async def test_a_robots_txt_that_fails_means_what_rfc_9309_says(status: str, allowed: bool) -> None:
    async with serving({"/robots.txt": answer(status=status), "/": answer("page")}) as site, Web(OPEN) as web:
        if allowed:
            assert (await web.read(site.url("/"), View(), max_age=0)).rendered.text == "page"
        else:
            with pytest.raises(Unavailable):
                await web.read(site.url("/"), View(), max_age=0)
            assert site.asked() == []


async def test_a_robots_txt_made_to_hurt_costs_little() -> None:
    rules = "User-agent: *\n" + "".join(f"Disallow: /{'*a' * 30}{number}b$\n" for number in range(6_000))
    pages = {"/robots.txt": answer(rules, PLAIN), "/" + "a" * 1_500: answer("page")}
    async with serving(pages) as site, Web(OPEN) as web:
        with anyio.fail_after(20):
            assert (await web.read(site.url("/" + "a" * 1_500), View(), max_age=0)).rendered.text == "page"


async def test_robots_txt_is_asked_of_each_host_on_the_way() -> None:
    async with serving({"/robots.txt": answer("User-agent: *\nDisallow: /", PLAIN)}, host="127.0.0.3") as second:
        hop = answer(status="302 Found", Location=second.url("/target"))
        async with serving({"/": hop}) as first, Web(OPEN) as web:
            with pytest.raises(Denied):
                await web.read(first.url("/"), View(), max_age=0)
            assert second.asked() == []


async def test_a_host_that_asks_for_quiet_gets_it() -> None:
    clock = Clock()
    busy = answer(status="429 Slow down", Retry_After="120")
    async with serving({"/": busy}) as site, Web(OPEN, clock=clock) as web:
        for _ in range(3):
            with pytest.raises(Unavailable):
                await web.read(site.url("/"), View(), max_age=0)
        assert site.asked() == ["/"]
        site.pages["/"] = answer("again")
        clock.now += 121
        assert (await web.read(site.url("/"), View(), max_age=0)).rendered.text == "again"


async def test_a_host_is_asked_in_bursts_and_then_slowly() -> None:
    clock = Clock()
    pace = Pace(Manners(burst=3, per_second=1, longest_wait=0.0), clock)
    for _ in range(3):
        async with pace.turn("a.example"):
            pass
    with pytest.raises(Unavailable, match="Ask again in 1 seconds"):
        async with pace.turn("a.example"):
            pass
    async with pace.turn("b.example"):
        pass
    clock.now += 1
    async with pace.turn("a.example"):
        pass


async def test_no_more_than_two_requests_are_at_one_host_at_once() -> None:
    pace, inside, most = Pace(Manners()), 0, 0
    leave = anyio.Event()

    async def visit() -> None:
        nonlocal inside, most
        async with pace.turn("a.example"):
            inside += 1
            most = max(most, inside)
            if inside == 2:
                leave.set()
            await leave.wait()
            inside -= 1

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(visit)
    assert most == 2
