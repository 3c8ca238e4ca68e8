"""Taking parts out of a parsed page. A node that is destroyed takes its children along: nobody may touch them after."""

from __future__ import annotations

from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode


def outermost(root: LexborHTMLParser | LexborNode, selector: str) -> Iterator[LexborNode]:
    """Yield the elements that match and are in no other that matches, so that each may be destroyed.

    Matches come in document order: those inside one follow it at once. No part of the tree is looked at twice.
    """
    matches = root.css(selector)
    at = 0
    while at < len(matches):
        node = matches[at]
        at += max(1, len(node.css(selector)))  # itself and those inside
        yield node
