"""Each hop is judged like the first, and a second look-up has nothing to say (W31-W34, W42, W54)."""

from __future__ import annotations

import itertools
import sys

import pytest
from mcp import Client, StdioServerParameters

from servers.fetch.addresses import Ground
from servers.fetch.failures import Denied
from servers.fetch.guard import Ports, SystemResolver
from servers.fetch.transfer import Caps, Wire
from servers.fetch.urls import parse
from tests.attacks.fetch.world import CANARY, EVIL, redirect, world
from tests.servers.fetch.reading import body, fetch, text
from tests.servers.fetch.site import LOOPBACK, answer, serving

pytestmark = pytest.mark.anyio

HOPS = {
    "W31": "http://127.0.0.1:{port}/secret",
    "W32": "http://2130706433:{port}/secret",
    "W33": "file:///etc/passwd",
    "scheme relative": "//127.0.0.1:{port}/secret",
    "credentials": "http://user:pass@127.0.0.1:{port}/secret",
    "mapped": "http://[::ffff:127.0.0.1]:{port}/secret",
    "backslashes": "http:\\\\127.0.0.1:{port}\\secret",
    "tab in the host": "http://127.0\t.0.1:{port}/secret",
    "gopher": "gopher://127.0.0.1:{port}/_",
    "javascript": "javascript:alert(1)",
    "leading space": " http://127.0.0.1:{port}/secret",
    "not a URL": "http://[",
}


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
@pytest.mark.parametrize("location", HOPS.values(), ids=HOPS.keys())
async def test_a_redirect_leads_nowhere_that_the_url_itself_would_not(location: str, status: str) -> None:
    async with world() as there:
        there.evil.pages["/"] = redirect(location.replace("{port}", str(there.secret.port)), status)
        result = await fetch(there.client, there.evil.url("/"))
        assert result.is_error
        there.inside_untouched(text(result))


async def test_the_last_of_many_hops_is_judged_too() -> None:
    async with world() as there:
        for number in range(4):
            there.evil.pages[f"/{number}"] = redirect(there.evil.url(f"/{number + 1}"))
        there.evil.pages["/4"] = redirect(there.secret.url("/secret"))
        await there.refused(there.evil.url("/0"))


async def test_a_redirect_loop_ends_after_five_hops() -> None:  # W54
    async with world() as there:
        there.evil.pages["/"] = redirect("/?again")
        there.evil.pages["/?again"] = redirect("/")
        said = await there.refused(there.evil.url("/"), "unavailable")
        assert "redirects more than 5 times" in said
        assert len(there.evil.asked()) == 6


async def test_robots_txt_that_redirects_inside_is_not_followed() -> None:
    async with world({"/": answer("page")}) as there:
        there.evil.pages["/robots.txt"] = redirect(there.secret.url("/robots.txt"))
        await there.refused(there.evil.url("/"))
        assert there.evil.asked() == []


async def test_a_name_is_looked_up_once_and_the_vetted_address_is_dialled() -> None:  # W34
    async with world({"/": answer("outside")}, names={"rebind.example": [[EVIL], ["127.0.0.1"]]}) as there:
        result = await fetch(there.client, f"http://rebind.example:{there.evil.port}/", max_age=0)
        assert body(result) == "outside"
        assert there.names is not None
        assert there.names.asked == ["rebind.example"]
        await there.refused(f"http://rebind.example:{there.secret.port}/secret")


@pytest.mark.parametrize("turns", list(itertools.permutations([EVIL, "127.0.0.1", "10.0.0.1"], 2)))
async def test_a_name_that_changes_its_answer_never_gets_inside(turns: tuple[str, str]) -> None:
    async with world({"/": answer("outside")}, names={"rebind.example": [[turn] for turn in turns] * 20}) as there:
        for _ in range(4):
            for port in (there.evil.port, there.secret.port):
                result = await fetch(there.client, f"http://rebind.example:{port}/", max_age=0)
                there.inside_untouched(text(result))


async def test_what_the_public_internet_redirects_to_must_be_public() -> None:
    async with serving({"/": answer("intranet")}) as intranet:
        wire = Wire(LOOPBACK, Ports(), SystemResolver(), Caps())
        try:
            assert (await wire.get(parse(intranet.url("/")), public_only=False)).body == b"intranet"
            with pytest.raises(Denied):
                await wire.get(parse(intranet.url("/")), public_only=True)
        finally:
            await wire.close()
        assert not Ground().admits("127.0.0.1")


async def test_a_proxy_in_the_environment_is_not_used() -> None:  # W42
    async with serving({"/": answer(CANARY)}) as proxy, serving({"/": answer("direct")}, host=EVIL) as site:
        address = proxy.url("").rstrip("/")
        names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"]
        environment = dict.fromkeys(names, address)
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "servers.fetch", "--allow-cidr", f"{EVIL}/32"], env=environment
        )
        async with Client(server) as client:
            assert body(await fetch(client, site.url("/"))) == "direct"
            assert (await fetch(client, "http://no-such-host.invalid/")).is_error
            assert (await fetch(client, "http://169.254.169.254/latest/")).is_error
        assert proxy.requests == []
