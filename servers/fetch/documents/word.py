"""The text of Word documents (docx): WordprocessingML, ECMA-376 part 1, 17."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from servers.fetch.documents.package import MOST_CHARS, Enough, Text, opened, parse, row
from servers.fetch.failures import WrongType

HEADING = re.compile(r"(?:Heading|berschrift|Titre|Ttulo)\s?([1-6])")


@dataclass
class Word:
    """Collects the Markdown of a Word document as its XML goes by."""

    lines: list[str] = field(default_factory=list[str])
    hidden: int = 0
    length: int = 0
    _runs: list[str] = field(default_factory=list[str])
    _cells: list[list[str]] = field(default_factory=list[list[str]])
    _row: list[str] = field(default_factory=list[str])
    _rows: int = 0
    _last: str = ""
    _style: str = ""
    _listed: bool = False
    _vanishing: bool = False
    _in_text: bool = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        value = attributes.get("val", "")
        match name:
            case "p":
                self._style, self._listed = "", False
            case "pStyle":
                self._style = value
            case "numPr":
                self._listed = True
            case "r":
                self._vanishing = False
            case "vanish":
                self._vanishing = value not in ("0", "false")
            case "t":
                self._in_text = True
            case "tab":
                self._runs.append("\t")
            case "br" | "cr":
                self._runs.append("\n")
            case "tr":
                self._row = []
            case "tc":
                self._cells.append([])
            case "tbl":
                self._rows = 0
            case _:
                pass

    def end(self, name: str) -> None:
        """Take the end of an element."""
        match name:
            case "t":
                self._in_text = False
            case "p":
                self._paragraph()
            case "tc" if self._cells:
                self._row.append(" ".join(self._cells.pop()))
            case "tr" if not self._cells:
                self._table_row()
            case _:
                pass

    def text(self, text: str) -> None:
        """Take text."""
        if not self._in_text:
            return
        if self._vanishing:
            self.hidden += len(text)
            return
        self._runs.append(text)
        self.length += len(text)
        if self.length > MOST_CHARS:
            raise Enough

    def _paragraph(self) -> None:
        text = "".join(self._runs).strip()
        self._runs.clear()
        if not text:
            return
        if self._cells:
            self._cells[-1].append(text.replace("\n", " "))
            return
        level = HEADING.fullmatch(self._style)
        mark = "#" * int(level.group(1)) + " " if level else "# " if self._style == "Title" else "- " * self._listed
        self._add("item" if mark == "- " else "paragraph", mark + text)

    def _table_row(self) -> None:
        self._rows += 1
        self._add("row", row(self._row))
        if self._rows == 1:
            self._add("row", "|" + " --- |" * len(self._row))

    def _add(self, kind: str, line: str) -> None:
        """Add a line; items and rows follow their like at once, everything else after an empty line."""
        if self.lines and (kind == "paragraph" or kind != self._last):
            self.lines.append("")
        self.lines.append(line)
        self._last = kind


def text_of(body: bytes) -> Text:
    """Return the text of a docx: headings, lists and tables as Markdown; hidden runs left out."""
    word = Word()
    if not parse(opened(body), "word/document.xml", word):
        raise WrongType("The file is no Word document. Use another source.")
    return Text("\n".join(word.lines), word.hidden, word.length > MOST_CHARS)
