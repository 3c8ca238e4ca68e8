"""A long page in parts, from a cache, and its best passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client

from servers.fetch import passages
from servers.fetch.cache import Kept
from servers.fetch.parts import part
from servers.fetch.server import build
from tests.servers.fetch.reading import body, facts, fetch, text
from tests.servers.fetch.site import OPEN, answer, serving

pytestmark = pytest.mark.anyio
LONG = "".join(f"<p>Line {number} of a long page.</p>" for number in range(400))


@given(text=st.text(max_size=3_000), most=st.integers(min_value=1, max_value=500))
def test_the_parts_put_together_are_the_whole(text: str, most: int) -> None:
    together, start = "", 0
    while start is not None:
        piece = part(text, start, most)
        assert len(piece.text) <= most
        assert (piece.start, piece.total) == (start, len(text))
        together, start = together + piece.text, piece.next
    assert together == text


@given(
    text=st.lists(st.sampled_from(["lake", "ferry", "\n\n", " ", "日本", "über", "x" * 900, ". "]), max_size=80).map(
        "".join
    ),
    question=st.sampled_from(["lake", "ferry lake", "日本語", "UBER", "nothing"]),
    most=st.integers(min_value=100, max_value=2_000),
)
def test_passages_are_pieces_of_the_text_in_its_order_and_within_the_limit(text: str, question: str, most: int) -> None:
    found = passages.best(text, question, most)
    assert sum(len(passage.text) for passage in found) <= most
    assert [passage.start for passage in found] == sorted(passage.start for passage in found)
    for passage in found:
        assert text[passage.start : passage.end] == passage.text
    assert "".join(passage.text for passage in passages.split(text)).split() == text.split()


@given(puts=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 12)), max_size=60))
def test_what_is_kept_never_passes_its_budget(puts: list[tuple[int, int]]) -> None:
    kept: Kept[int, int] = Kept(20, lambda size: size)
    for key, size in puts:
        kept.put(key, size)
        assert sum(value for _, value in kept.items()) <= 20
        assert kept.get(key) == size


async def test_the_parts_of_a_page_come_from_one_fetch() -> None:
    async with serving({"/": answer(LONG)}) as site, Client(build(OPEN)) as client:
        together, start = "", 0
        while start is not None:
            result = await fetch(client, site.url(), start=start, max_chars=700)
            together, start = together + body(result), facts(result)["next"]
        whole = await fetch(client, site.url(), max_chars=200_000)
        assert together == body(whole)
        assert facts(whole)["cached"] is True
        assert site.asked() == ["/"]


async def test_another_form_of_a_page_is_made_from_the_same_fetch() -> None:
    async with serving({"/": answer("<title>T</title><p>a <a href=b>b</a>")}) as site, Client(build(OPEN)) as client:
        for form in ("markdown", "text", "html", "json", "links", "article"):
            assert body(await fetch(client, site.url(), format=form))
        assert site.asked() == ["/"]


async def test_a_start_past_the_end_says_how_long_the_page_is() -> None:
    async with serving({"/": answer("<p>short")}) as site, Client(build(OPEN)) as client:
        said = text(await fetch(client, site.url(), start=5_000))
        assert said == "invalid: start=5000 is past the end: the page has 5 characters. Ask with a smaller start."


async def test_find_returns_the_passages_that_answer_and_where_they_are() -> None:
    filler = "".join(f"<p>{'Nothing to see in paragraph ' + str(number) + '. ' * 20}</p>" for number in range(300))
    html = f"{filler}<h2>Opening hours</h2><p>The museum opens at nine on Sundays.</p>{filler}"
    async with serving({"/": answer(html)}) as site, Client(build(OPEN)) as client:
        result = await fetch(client, site.url(), find="when does the museum open on sundays?", max_chars=2_000)
        assert "opens at nine" in body(result)
        assert len(body(result)) <= 2_000
        nothing = await fetch(client, site.url(), find="zeppelin")
        assert "no passage of" in text(nothing)
        assert body(nothing) == ""
        assert site.asked() == ["/"]


async def test_find_works_in_a_language_without_spaces() -> None:
    html = "".join(f"<p>{line * 60}</p>" for line in ("今日は天気がいい。", "湯の温度は七十度です。", "電車が遅れた。"))
    async with serving({"/": answer(html)}) as site, Client(build(OPEN)) as client:
        assert "温度" in body(await fetch(client, site.url(), find="お湯の温度", max_chars=1_000))
