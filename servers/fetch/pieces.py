"""A large HTML page in pieces that a converter with a large appetite takes one after another.

The Markdown converter needs about fifty bytes for each byte of markup. A long page is therefore cut between its blocks,
a long list between its items and a long table between its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from selectolax.lexbor import LexborNode

PIECE = 131_072  # characters of markup
DEEPEST = 100
KEPT_AROUND = ("ul", "ol", "blockquote", "dl")  # what their children mean depends on them
TABLE_PARTS = ("thead", "tbody", "tfoot")


@dataclass(frozen=True)
class Piece:
    """A piece of a page; `continues` a table whose earlier rows are in the piece before."""

    html: str
    continues: bool = False


def convert(root: LexborNode, converter: Callable[[str], str]) -> str:
    """Return what `converter` makes of the HTML of `root`, piece by piece."""
    html = root.html or ""
    if len(html) <= PIECE:
        return converter(html).strip()
    written: list[str] = []
    for piece in pieces(root):
        text = converter(piece.html)
        if piece.continues:
            text = "\n".join(text.strip().split("\n")[2:])  # the empty head that made it a table
            written[-1] = written[-1] + "\n" + text if written else text
        elif text.strip():
            written.append(text.strip("\n"))
    return "\n\n".join(written)


def pieces(node: LexborNode, depth: int = 0) -> Iterator[Piece]:
    """Yield the content of `node` in pieces of about `PIECE` characters of markup."""
    before, after = around(node, 0)
    waiting: list[str] = []
    size = items = 0
    for child in node.iter(include_text=True):
        html = child.html or ""
        if size and size + len(html) > PIECE:
            yield Piece(before + "".join(waiting) + after)
            before, after = around(node, items)
            waiting, size = [], 0
        items += child.tag == "li"
        if len(html) <= PIECE or depth >= DEEPEST or child.tag in ("-text", "pre"):
            waiting.append(html)
            size += len(html)
        elif child.tag == "table":
            yield from rows(child)
        else:
            yield from pieces(child, depth + 1)
    if size:
        yield Piece(before + "".join(waiting) + after)


def around(node: LexborNode, items: int) -> tuple[str, str]:
    """Return the tags to put around some children of `node`, of which `items` list items came before."""
    if node.tag not in KEPT_AROUND:
        return "", ""
    start = f' start="{items + 1}"' if node.tag == "ol" else ""
    return f"<{node.tag}{start}>", f"</{node.tag}>"


def rows(table: LexborNode) -> Iterator[Piece]:
    """Yield a table in pieces: the first has its head, the others continue it."""
    waiting: list[str] = []
    size, first, width = 0, True, 1
    for row in table_rows(table):
        html = row.html or ""
        if size and size + len(html) > PIECE:
            yield table_piece(waiting, 0 if first else width)
            waiting, size, first = [], 0, False
        if len(html) > PIECE:  # a table used to lay out a page: what it holds is no row
            yield from pieces(row)
            first = True
            continue
        width = max(width, html.count("<td") + html.count("<th"))
        waiting.append(html)
        size += len(html)
    if size:
        yield table_piece(waiting, 0 if first else width)


def table_piece(html: Sequence[str], continued: int) -> Piece:
    """Return rows as a table; when it continues one, under an empty head of that many columns."""
    head = f"<tr>{'<th></th>' * continued}</tr>" if continued else ""
    return Piece(f"<table>{head}{''.join(html)}</table>", bool(continued))


def table_rows(table: LexborNode) -> Iterator[LexborNode]:
    """Yield the rows of a table, not those of tables inside it; a caption counts as a row."""
    for child in table.iter():
        if child.tag in TABLE_PARTS:
            yield from child.iter()
        else:
            yield child
