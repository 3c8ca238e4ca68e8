"""Pages of every kind as Markdown, compared with what a careful reader wrote down.

`pages/NAME.html` is the page in the charset that its name ends with (UTF-8 if none), `pages/NAME.txt` what is expected.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mcp import Client

from servers.fetch.kinds import Kind
from servers.fetch.server import build
from servers.fetch.views import Format, Rendered, Source, View, render
from servers.fetch.workshop import Workshop
from tests.servers.fetch.reading import body, facts, fetch, text
from tests.servers.fetch.site import OPEN, answer, serving

PAGES = sorted(Path(__file__).with_name("pages").glob("*.html"))
URL = "https://site.example/dir/page.html"
LINK = re.compile(r"\]\(<?([^)>\s]+)")


def shown(path: Path, view: View | None = None) -> Rendered:
    return render(Source(path.read_bytes(), Kind.HTML, None, URL), view or View())


def page(name: str) -> Path:
    return next(path for path in PAGES if path.name.startswith(name))


def test_there_are_thirty_pages_and_more() -> None:
    assert len(PAGES) >= 30


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_reads_as_a_careful_reader_wrote_it_down(path: Path) -> None:
    assert shown(path).text == path.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_link_is_absolute_and_runs_nothing(path: Path) -> None:
    for view in (View(), View(Format.LINKS), View(Format.ARTICLE)):
        for target in LINK.findall(shown(path, view).text):
            assert target.startswith(("https://", "http://", "mailto:", "tel:")), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_charset_is_the_one_that_the_page_is_in(path: Path) -> None:
    asked = Path(path.stem).suffix.lstrip(".") or "utf-8"
    known = {"shift_jis": "cp932", "windows-1252": "cp1252", "utf-16": "utf-16-le"}
    assert shown(path).charset in (known.get(asked, asked), "cp1252" if path.read_bytes().isascii() else "utf-8")


def test_hidden_orders_are_left_out_and_counted_and_can_be_asked_for() -> None:
    seen = shown(page("hidden-orders"))
    assert "order" not in seen.text.lower().replace("in order", "")
    assert "IGNORE" not in seen.text
    assert (seen.hidden, seen.controls) == (89, 5)
    everything = shown(page("hidden-orders"), View(hidden=True))
    assert "IGNORE PREVIOUS" in everything.text
    assert "order 6" in everything.text
    assert everything.hidden == 0


def test_an_article_is_its_content_without_the_chrome() -> None:
    article = shown(page("news"), View(Format.ARTICLE)).text
    assert article.startswith("# Ferry returns")
    for chrome in ("cookie", "privacy", "Read also", "comments", "Imprint", "Sport"):
        assert chrome not in article
    for content in ("212 passengers", "Adults: €4.50", "hole in the map", "tickets.example"):
        assert content in article


def test_a_page_without_marks_still_gives_its_densest_part_as_article() -> None:
    words = "A sentence that says something about the lake and its ferry. " * 5
    chrome = "".join(f"<li><a href=/{number}>Category number {number}</a>" for number in range(80))
    html = (
        f"<div class=menu><ul>{chrome}</ul></div><div id=x><p>{words}<p>{words}</div><div class=sidebar><p>Short.</div>"
    )
    article = render(Source(html.encode(), Kind.HTML, None, URL), View(Format.ARTICLE)).text
    assert article.count("about the lake") == 10
    assert "Category" not in article


def test_links_come_once_each_with_their_text() -> None:
    links = shown(page("links"), View(Format.LINKS)).text.splitlines()
    assert "- [relative](<https://site.example/deep/er/rel>)" in links
    assert len([link for link in links if "/twice" in link]) == 1


def test_json_of_a_page_is_what_it_says_about_itself() -> None:
    data = shown(page("recipe"), View(Format.JSON)).text
    assert '"totalTime": "PT40M"' in data
    assert '"language": "en"' in data
    assert '"og:title": "Ferry returns"' in shown(page("news"), View(Format.JSON)).text


def test_text_is_plain() -> None:
    text = shown(page("docs"), View(Format.TEXT)).text
    assert "**" not in text
    assert "](" not in text
    assert "for entry in walk" in text


@pytest.mark.anyio
async def test_a_shell_of_an_application_says_that_it_needs_scripts() -> None:
    shell = answer(page("spa-shell").read_bytes())
    async with serving({"/": shell}) as site, Client(build(OPEN)) as client:
        result = await fetch(client, site.url("/"))
    assert body(result) == "# Dashboard"
    assert "it needs scripts, which are not run" in text(result)


def rows(count: int) -> str:
    return "".join(
        f"<tr><td>{number}</td><td>value {number} | x</td><td>{'y' * 60}</td></tr>" for number in range(count)
    )


@pytest.mark.anyio
async def test_a_table_of_two_megabytes_is_one_table() -> None:
    html = f"<h1>Big</h1><table><tr><th>n</th><th>v</th><th>w</th></tr>{rows(18_000)}</table><p>after</p>"
    assert len(html) > 2_000_000
    async with serving({"/": answer(html)}) as site, Client(build(OPEN)) as client:
        whole, start = "", 0
        while start is not None:
            result = await fetch(client, site.url("/"), start=start, max_chars=200_000)
            whole, start = whole + body(result), facts(result)["next"]
        assert site.asked() == ["/"]
    lines = whole.splitlines()
    assert lines[:4] == ["# Big", "", "| n | v | w |", "| --- | --- | --- |"]
    assert lines[4:18_004] == [f"| {number} | value {number} \\| x | {'y' * 60} |" for number in range(18_000)]
    assert lines[-1] == "after"


@pytest.mark.anyio
async def test_the_worker_gives_what_the_converter_gives() -> None:
    workshop = Workshop()
    try:
        for path in PAGES:
            source = Source(path.read_bytes(), Kind.HTML, None, URL)
            assert await workshop.render(source, View()) == render(source, View())
    finally:
        await workshop.close()
