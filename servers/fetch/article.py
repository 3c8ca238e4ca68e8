"""The main content of a page of mostly chrome.

A page that marks its content is believed: one `article`, `main`. Otherwise the block wins whose paragraphs hold most
text that is not links; that is the idea of Arc90's Readability in a few lines. What is chrome by its name goes anyway.
"""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from servers.fetch.nodes import outermost

MARKED = ("[itemprop=articleBody]", "article", "main", "[role=main]")
CHROME = "nav, aside, footer, form, button, [role=navigation], [role=complementary], [role=banner], [role=contentinfo]"
NAMED = re.compile(
    r"(?:^|[\s_-])(?:ads?|advert\w*|breadcrumbs?|comments?|cookies?|consent|newsletter|promo\w*|related|share|sharing"
    r"|sidebar|social|sponsor\w*|subscribe|toc|toolbar)(?:$|[\s_-])",
    re.IGNORECASE,
)
ENOUGH = 200  # characters of text below which a find is not believed
SHARE = 0.25  # of the page's text that a marked part must hold
MOST_PARAGRAPHS = 2_000


def main_content(tree: LexborHTMLParser) -> LexborNode | None:
    """Return the part of the page that is its content, without the chrome in it; the body if there is no such part."""
    body = tree.body
    if body is None:
        return None
    found = marked(body) or densest(body)
    if found is None:
        return body
    mark_chrome(found)
    for node in outermost(found, "[data-chrome]"):
        node.decompose()
    return found


def marked(body: LexborNode) -> LexborNode | None:
    """Return the part that the page itself marks as its content."""
    least = max(ENOUGH, SHARE * weight(body))
    for selector in MARKED:
        parts = body.css(selector)
        if len(parts) == 1 and weight(parts[0]) >= least:
            return parts[0]
    return None


def densest(body: LexborNode) -> LexborNode | None:
    """Return the block whose own paragraphs hold most text."""
    scores: dict[int, float] = {}
    blocks: dict[int, LexborNode] = {}
    for paragraph in body.css("p, pre, blockquote")[:MOST_PARAGRAPHS]:
        length = weight(paragraph)
        parent = paragraph.parent
        grandparent = parent.parent if parent is not None else None
        for block, share in ((parent, 1.0), (grandparent, 0.5)):
            if block is not None:
                blocks[block.mem_id] = block
                scores[block.mem_id] = scores.get(block.mem_id, 0.0) + length * share
    best = max(scores, key=lambda identity: scores[identity], default=None)
    return blocks[best] if best is not None and scores[best] >= ENOUGH else None


def weight(node: LexborNode) -> int:
    """Return how much text of a part is not links."""
    return len(node.text()) - sum(len(link.text()) for link in node.css("a"))


def mark_chrome(content: LexborNode) -> None:
    """Mark what does not belong to the content although it is in it."""
    for node in content.css(CHROME):
        node.attrs["data-chrome"] = ""
    for node in content.css("div[class], div[id], section[class], section[id], ul[class]"):
        names = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}"
        if NAMED.search(names) and weight(node) < weight(content) / 2:
            node.attrs["data-chrome"] = ""
