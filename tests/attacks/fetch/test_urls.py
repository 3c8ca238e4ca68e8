"""A URL that is more than a place on the web is refused before anything is looked up (W18-W26, W30)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.fetch import urls
from servers.fetch.failures import Denied, Invalid
from tests.attacks.fetch.world import world

pytestmark = pytest.mark.anyio

BAD = {
    "W18 userinfo": ("http://example.com@127.0.0.1:{port}/secret", "denied"),
    "W19 userinfo with a port": ("http://example.com:80@127.0.0.1:{port}/secret", "denied"),
    "W20 backslash": ("http://example.com\\@127.0.0.1:{port}/secret", "invalid"),
    "W21 file": ("file:///etc/passwd", "invalid"),
    "W22 file with a host": ("file://localhost/etc/passwd", "invalid"),
    "W23 tab in the host": ("http://127.0\t.0.1:{port}/secret", "invalid"),
    "W24 line feed in the host": ("http://127.0.0.1\n:{port}/secret", "invalid"),
    "W25 leading space": (" http://127.0.0.1:{port}/secret", "invalid"),
    "request splitting": ("http://127.0.0.1:{port}/a HTTP/1.1\r\nX: y", "invalid"),
    "null": ("http://127.0.0.1:{port}/\0", "invalid"),
    "gopher": ("gopher://127.0.0.1:{port}/_GET", "invalid"),
    "dict": ("dict://127.0.0.1:{port}/", "invalid"),
    "ftp": ("ftp://127.0.0.1/", "invalid"),
    "data": ("data:text/html,x", "invalid"),
    "javascript": ("javascript:alert(1)", "invalid"),
    "websocket": ("ws://127.0.0.1:{port}/", "invalid"),
    "no scheme": ("127.0.0.1:{port}/secret", "invalid"),
    "no slashes": ("http:127.0.0.1", "invalid"),
    "scheme relative": ("//127.0.0.1/secret", "invalid"),
    "empty": ("", "invalid"),
    "no host": ("http:///secret", "invalid"),
    "broken IPv6": ("http://[::1/secret", "invalid"),
    "huge port": ("http://127.0.0.1:99999/", "invalid"),
    "port zero": ("http://127.0.0.1:0/", "invalid"),
    "too long": ("http://127.0.0.1/" + "a" * 3_000, "invalid"),
}


@pytest.mark.parametrize(("url", "code"), BAD.values(), ids=BAD.keys())
async def test_a_url_that_is_more_than_a_place_is_refused(url: str, code: str) -> None:
    async with world() as there:
        await there.refused(url.replace("{port}", str(there.secret.port)), code)


@pytest.mark.parametrize("argument", ["headers", "method", "proxy", "body", "cookies", "verify", "follow_redirects"])
async def test_no_argument_sets_headers_method_or_proxy(argument: str) -> None:  # W30
    async with world() as there:
        arguments = {"url": there.evil.url("/"), argument: {"Metadata-Flavor": "Google"}}
        result = await there.client.call_tool("web_fetch", arguments)
        assert result.is_error
        assert there.evil.requests == []


@pytest.mark.parametrize("port", [22, 25, 6379, 8080, 11211])
async def test_other_ports_than_those_of_the_web_are_refused_on_public_hosts(port: int) -> None:
    async with world(names={"public.example": [["198.41.0.4"]]}) as there:
        assert f"Port {port}" in await there.refused(f"http://public.example:{port}/")


@given(text=st.one_of(st.text(max_size=60), st.from_regex(r"https?://[^/]{0,30}(/.{0,20})?", fullmatch=True)))
def test_any_text_is_a_plain_web_url_or_refused(text: str) -> None:
    try:
        url = urls.parse(text)
    except (Invalid, Denied):
        return
    shown = urls.shown(url)
    assert shown.isascii()
    assert shown.isprintable()
    assert url.scheme in ("http", "https")
    assert url.host
    assert not url.userinfo
    assert "@" not in url.netloc.decode()
    assert not url.fragment
