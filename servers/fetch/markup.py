"""HTML as a reader would see it: hidden text out, links absolute, then Markdown or plain text.

What a browser would not show is not shown to the model either, because that is where instructions to models hide; it is
counted, so that nobody is fooled by silence, and `hidden=true` brings it back.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from servers.fetch import pieces
from servers.fetch.article import main_content
from servers.fetch.nodes import outermost

NEVER_TEXT = (
    "script, style, template, iframe, object, embed, canvas, audio, video, svg, map, noscript, dialog:not([open])"
)
SHOWS_NOTHING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0*\.?0+\s*(?:%|;|!|$)"
    r"|font-size\s*:\s*0*\.?0+(?:[a-z%]{1,4})?\s*(?:;|!|$)|(?:left|top|text-indent)\s*:\s*-\d{3,}"
    r"|clip\s*:\s*rect\(\s*0|clip-path\s*:\s*inset\(\s*(?:50|100)%",
    re.IGNORECASE,
)
DANGEROUS = ("javascript:", "data:", "vbscript:", "file:", "blob:")
PERMALINKS = ("", "¶", "#", "§", "🔗")
RAISED = str.maketrans("0123456789+-\u2212=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ")
LOWERED = str.maketrans("0123456789+-\u2212=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
SMALL = set("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎,")
SHELL = 200  # characters of text below which a page with scripts is taken for a shell of an application
DEEPEST_LAYOUT = 8
LAYOUT = "td h1, td h2, td h3, td h4, td table, td form, td hr, td pre"  # in a table: it lays a page out
ABOUT = ("og:", "article:", "twitter:", "description", "author", "keywords", "date", "citation_", "dc.")
# Most links are a path from the top or a whole URL, with nothing in them that has to be taken apart to be joined.
USUAL = re.compile(r"(?:https?://[\w.:-]+)?/[\w~%+,=&@!:()$*./?#-]*", re.ASCII)
UNUSUAL = re.compile(r"^//|/\.|\?#")
INVISIBLE = re.compile(r"[\x00-\x20]+")
STREAMED = re.compile(r"""\$RC\(\s*["']([^"']{1,40})["']\s*,\s*["']([^"']{1,40})["']""")


BALLAST = re.compile(r"<script(?=[\s>/])|<style(?=[\s>/])|<svg(?=[\s>/])|<!--", re.IGNORECASE)
END_OF = {
    "<!--": re.compile("-->"),
    **{f"<{tag}": re.compile(f"</{tag}\\s*>", re.IGNORECASE) for tag in ("script", "style", "svg")},
}


@dataclass(frozen=True)
class Link:
    """A link of a page: its text in one line, and where it leads."""

    text: str
    url: str


@dataclass
class Markup:
    """An HTML page, ready to be written as something else."""

    tree: LexborHTMLParser
    title: str
    hidden: int
    """Characters of text that a browser would not show, taken out (0 if they were to stay)."""
    base: str
    """What relative links start from."""
    structured: tuple[object, ...]
    """Its JSON-LD."""
    scripted: bool
    """It has next to no text, but scripts that would write some."""
    all_shown: bool
    """Hidden text was to stay."""


def shed(html: str) -> str:
    """Return a long page without scripts, styles, drawings and comments, which is most of what long pages are."""
    kept: list[str] = []
    at = 0
    while (ballast := BALLAST.search(html, at)) is not None:
        kept.append(html[at : ballast.start()])
        end = END_OF[ballast.group().lower()].search(html, ballast.end())
        at = end.end() if end else len(html)
    kept.append(html[at:])
    return "".join(kept)


def read(html: str, url: str, *, hidden: bool) -> Markup:
    """Return the page at `url` without scripts, and without hidden text unless `hidden`; its links are absolute."""
    tree = LexborHTMLParser(html)
    scripts = len(tree.css("script"))
    title = " ".join((node.text() if (node := tree.css_first("title")) else "").split())
    base, structured = base_of(tree, url), structured_data(tree)
    put_streamed_parts_in_place(tree)
    for node in outermost(tree, NEVER_TEXT):
        node.decompose()
    gone = 0
    for node in () if hidden else unseen(tree):
        gone += len(" ".join(node.text(separator=" ").split()))
        node.decompose()
    for node in tree.css("[href]"):
        rewrite(node, base)
    tidy(tree)
    scripted = scripts > 0 and len(tree.body.text().strip() if tree.body else "") < SHELL
    return Markup(tree, title, gone, base, structured, scripted, hidden)


def tidy(tree: LexborHTMLParser) -> None:
    """Change what would read badly as Markdown."""
    for node in tree.css("a > img[alt]:only-child"):
        node.replace_with(node.attributes.get("alt") or "")
    for node in tree.css("pre a"):
        node.unwrap()
    for node in tree.css("h1 > a, h2 > a, h3 > a, h4 > a, h5 > a, h6 > a"):
        if node.text().strip() in PERMALINKS:
            node.decompose()
    for node in tree.css("sup, sub"):
        raised = node.text().translate(RAISED if node.tag == "sup" else LOWERED)
        if raised and set(raised) <= SMALL and not list(node.iter()):
            node.replace_with(raised)
    unfold_layout(tree)


def unfold_layout(tree: LexborHTMLParser) -> None:
    """Take apart the tables that lay a page out: their cells become blocks."""
    for _ in range(DEEPEST_LAYOUT if tree.css_first(LAYOUT) is not None else 0):
        tables = [table for table in outermost(tree, "table") if is_layout(table)]
        for table in tables:
            for cell in own_cells(table):
                block = tree.create_node("div")
                for child in cell.iter(include_text=True):
                    block.insert_child(child)
                table.insert_before(block)
            table.decompose()
        if not tables:
            return


def is_layout(table: LexborNode) -> bool:
    """Return whether a table holds blocks of a page rather than data."""
    data = table.css_first("th, caption, thead") is not None
    return not data and table.css_first(LAYOUT) is not None


def own_cells(table: LexborNode) -> Iterator[LexborNode]:
    """Yield the cells of a table, not those of tables inside it."""
    for row in pieces.table_rows(table):
        yield from row.iter()


def base_of(tree: LexborHTMLParser, url: str) -> str:
    """Return the URL that relative links start from (HTML standard, the `base` element)."""
    node = tree.css_first("base[href]")
    return absolute(url, (node.attributes.get("href") or "") if node else "") or url


def unseen(tree: LexborHTMLParser) -> Iterator[LexborNode]:
    """Yield the outermost elements that a browser would not show."""
    for node in tree.css("body [style]"):
        if SHOWS_NOTHING.search(node.attributes.get("style") or ""):
            node.attrs["hidden"] = ""
    return outermost(tree, "body [hidden]")


def put_streamed_parts_in_place(tree: LexborHTMLParser) -> None:
    """Move what React streamed as hidden parts to where its script would: a browser shows it there."""
    moves = {part: hole for hole, part in STREAMED.findall("\n".join(node.text() for node in tree.css("script")))}
    if not moves:
        return
    holes = {node.attributes.get("id"): node for node in tree.css("template[id]")}
    for node in tree.css("div[hidden][id]"):
        hole = holes.pop(moves.get(node.attributes.get("id") or "", ""), None)
        if hole is None:
            continue
        del node.attrs["hidden"]
        hole.insert_before(node)
        node.decompose()


def rewrite(node: LexborNode, base: str) -> None:
    """Make the link of `node` absolute; take it away if it runs something or leads nowhere."""
    target = absolute(base, node.attributes.get("href") or "")
    if target is None:
        del node.attrs["href"]
    else:
        node.attrs["href"] = target


def absolute(base: str, href: str) -> str | None:
    """Return where `href` leads from `base`; None if it is not a place."""
    href = href.strip()
    if USUAL.fullmatch(href) and not UNUSUAL.search(href) and not href.endswith(("?", "#")):
        if href[0] != "/":
            return href
        if base.startswith(("http://", "https://")):
            return origin_of(base) + href
    if INVISIBLE.sub("", href).lower().startswith(DANGEROUS):
        return None
    try:
        return INVISIBLE.sub("%20", urljoin(base, href))
    except ValueError:
        return None


@functools.lru_cache(maxsize=16)
def origin_of(base: str) -> str:
    """Return the scheme and the host of an http URL."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


def links(page: Markup) -> Iterator[Link]:
    """Yield each place the page links to once, in its order."""
    seen: set[str] = set()
    for node in page.tree.css("a[href]"):
        target = node.attributes.get("href") or ""
        if target in seen or not target.startswith(("http://", "https://")):
            continue
        seen.add(target)
        yield Link(" ".join(node.text().split()), target)


def markdown(page: Markup, *, article: bool = False) -> str:
    """Return the page as Markdown: tables and code kept, pictures left out; with `article` only its main content."""
    root = main_content(page.tree) if article else page.tree.body
    return converted(root, "markdown", page.all_shown) if root is not None else frames(page)


def frames(page: Markup) -> str:
    """Return the frames of a page that is only frames, as links."""
    sources = [absolute(page.base, node.attributes.get("src") or "") for node in page.tree.css("frame[src]")]
    return "\n".join(f"- [frame]({source})" for source in sources if source)


def text(page: Markup) -> str:
    """Return the page as plain text, one line for each block."""
    return converted(page.tree.body, "plain", page.all_shown)


def converted(root: LexborNode | None, output: str, all_shown: bool) -> str:
    """Return the HTML of `root` in another form."""
    from html_to_markdown import ConversionOptions, PreprocessingOptions, convert

    def converter(html: str) -> str:
        options = ConversionOptions(
            extract_metadata=False,
            skip_images=True,
            compact_tables="<table" in html,  # it takes the converter's slower way
            hidden_content="all" if all_shown else "drop",
            output_format=output,
            preprocessing=PreprocessingOptions(enabled=False),
        )
        return convert(html, options).content or ""

    return pieces.convert(root, converter) if root is not None else ""


def data(page: Markup) -> str:
    """Return, as JSON, what the page says about itself: title, description, language, Open Graph, JSON-LD."""
    described = {
        name: node.attributes.get("content") or ""
        for node in page.tree.css("meta[name], meta[property]")
        if (name := node.attributes.get("property") or node.attributes.get("name") or "").startswith(ABOUT)
    }
    root = page.tree.css_first("html")
    canonical = page.tree.css_first("link[rel=canonical]")
    facts = {
        "title": page.title,
        "language": (root.attributes.get("lang") if root else None) or "",
        "canonical": (canonical.attributes.get("href") if canonical else None) or "",
        "meta": described,
        "json_ld": page.structured,
    }
    return json.dumps({name: value for name, value in facts.items() if value}, ensure_ascii=False, indent=1)


def structured_data(tree: LexborHTMLParser) -> tuple[object, ...]:
    """Return the JSON-LD blocks of the page (W3C JSON-LD 1.1, "Embedding JSON-LD in HTML") that are not broken."""
    found: list[object] = []
    for node in tree.css('script[type="application/ld+json"]'):
        with contextlib.suppress(ValueError, RecursionError):
            found.append(json.loads(node.text()))
    return tuple(found)
