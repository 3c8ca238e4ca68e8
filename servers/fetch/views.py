"""A body as text: which view of it was asked for, and what came out."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from enum import StrEnum

from servers.cleaning import clean, clean_line
from servers.fetch import charsets
from servers.fetch.failures import WrongType
from servers.fetch.kinds import Kind

LONGEST = 4_000_000  # bytes in memory of one text that is kept for paging
LONGEST_MARKUP = 2_500_000  # characters of HTML that are parsed; scripts, styles and drawings do not count
LONGEST_TITLE = 200


class Format(StrEnum):
    """The forms of a page that can be asked for."""

    MARKDOWN = "markdown"
    TEXT = "text"
    HTML = "html"
    JSON = "json"
    LINKS = "links"
    ARTICLE = "article"


@dataclass(frozen=True)
class View:
    """One way to look at a page."""

    format: Format = Format.MARKDOWN
    hidden: bool = False
    """Whether text that a browser would not show stays."""


@dataclass(frozen=True)
class Source:
    """A body and what is known about it."""

    body: bytes
    kind: Kind
    charset: str | None
    """As the server declared it."""
    url: str


@dataclass(frozen=True)
class Rendered:
    """A page in one view, whole."""

    text: str
    title: str = ""
    charset: str = ""
    hidden: int = 0
    """Characters of hidden text left out."""
    controls: int = 0
    """Invisible characters taken out: controls, bidirectional overrides, tags, zero width."""
    cut: bool = False
    """The text is longer than is kept."""
    scripted: bool = False
    """The page would write its text by scripts, which are not run."""


def render(source: Source, view: View) -> Rendered:
    """Return `source` in `view`. Raises `WrongType` if this kind of page has no such view."""
    if source.kind is Kind.HTML and view.format is not Format.HTML:
        return of_html(source, view)
    if source.kind.document:
        return of_document(source, view)
    decoded = charsets.decode(source.body, source.charset)
    if view.format is Format.LINKS:
        raise WrongType("Only HTML pages have links to list. Ask for format=text.")
    if view.format is Format.JSON:
        return finished(indented(decoded.text), charset=decoded.charset)
    return finished(decoded.text, charset=decoded.charset)


def of_html(source: Source, view: View) -> Rendered:
    """Return an HTML page as Markdown, text, links or the data in its head."""
    from servers.fetch import markup  # selectolax: 7 ms, and pages are not the first thing a server does

    decoded = charsets.decode(source.body, source.charset)
    html = decoded.text if len(decoded.text) <= LONGEST_MARKUP else markup.shed(decoded.text)
    page = markup.read(html[:LONGEST_MARKUP], source.url, hidden=view.hidden)
    match view.format:
        case Format.LINKS:
            text = "\n".join(f"- [{link.text or link.url}](<{link.url}>)" for link in markup.links(page))
        case Format.TEXT:
            text = markup.text(page)
        case Format.JSON:
            text = markup.data(page)
        case _:
            text = titled(markup.markdown(page, article=view.format is Format.ARTICLE), page.title)
    done = finished(text, title=page.title, charset=decoded.charset, hidden=page.hidden)
    return replace(done, cut=done.cut or len(html) > LONGEST_MARKUP, scripted=page.scripted)


def of_document(source: Source, view: View) -> Rendered:
    """Return the text of a PDF, a Word document or a workbook."""
    if view.format not in (Format.MARKDOWN, Format.TEXT, Format.ARTICLE):
        raise WrongType(f"A {source.kind} file has no such form. Ask for format=markdown.")
    match source.kind:  # each reader is imported when the first such file comes
        case Kind.PDF:
            from servers.fetch.documents.pdf import text_of
        case Kind.WORD:
            from servers.fetch.documents.word import text_of
        case _:
            from servers.fetch.documents.sheets import text_of
    found = text_of(source.body)
    done = finished(found.text, hidden=found.hidden)
    return replace(done, cut=done.cut or found.cut)


def titled(text: str, title: str) -> str:
    """Return Markdown that starts with the page's title, unless it has a first-level heading of its own."""
    if not title or text.startswith("# ") or "\n# " in text:
        return text
    return f"# {title}\n\n{text}".rstrip()


def indented(text: str) -> str:
    """Return JSON with one value a line. Raises `WrongType` if it is none."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=1)
    except (ValueError, RecursionError):
        raise WrongType("The page is not JSON. Ask for format=text or markdown.") from None


def finished(text: str, *, title: str = "", charset: str = "", hidden: int = 0) -> Rendered:
    """Return a text that is safe to show and short enough to keep."""
    width = max(1, (sys.getsizeof(text) - 64) // max(1, len(text)))
    kept = text[: LONGEST // width] if len(text) * width > LONGEST else text
    cleaned = clean(kept)
    return Rendered(
        cleaned.text,
        clean_line(title)[:LONGEST_TITLE],
        charset,
        hidden,
        cleaned.removed.total,
        len(kept) < len(text),
    )
