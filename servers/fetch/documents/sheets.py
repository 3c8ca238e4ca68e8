"""The text of workbooks (xlsx): SpreadsheetML, ECMA-376 part 1, 18."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

from servers.fetch.documents.package import MOST_CHARS, Enough, Text, opened, parse, row
from servers.fetch.failures import WrongType

MOST_STRINGS = 8_000_000  # characters of the strings that cells share
MOST_COLUMNS = 200
MOST_SHEETS = 200
CELL = re.compile(r"([A-Z]{1,3})[0-9]+")


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook."""

    name: str
    part: str
    visible: bool


@dataclass
class Strings:
    """Collects the strings that cells refer to by number."""

    found: list[str] = field(default_factory=list[str])
    _runs: list[str] = field(default_factory=list[str])
    _in_text: bool = False
    _length: int = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        self._in_text = name == "t"

    def end(self, name: str) -> None:
        """Take the end of an element."""
        self._in_text = False
        if name == "si":
            self.found.append("".join(self._runs))
            self._runs.clear()

    def text(self, text: str) -> None:
        """Take text. Raises `Enough` when there is too much of it."""
        if self._in_text:
            self._length += len(text)
            if self._length > MOST_STRINGS:
                raise Enough
            self._runs.append(text)


@dataclass
class Workbook:
    """Collects the sheets, and where their parts are; shown the relations first, then the workbook."""

    sheets: list[Sheet] = field(default_factory=list[Sheet])
    _targets: dict[str, str] = field(default_factory=dict[str, str])

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        if name == "Relationship":
            target = attributes.get("Target", "")
            self._targets[attributes.get("Id", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        elif name == "sheet" and len(self.sheets) < MOST_SHEETS:
            part = self._targets.get(attributes.get("id", ""), "")
            visible = attributes.get("state", "visible") == "visible"
            self.sheets.append(Sheet(attributes.get("name", "Sheet"), part, visible))

    def end(self, name: str) -> None:
        """Nothing to do."""

    def text(self, text: str) -> None:
        """Nothing to do."""


@dataclass
class Table:
    """Collects the rows of a sheet as a Markdown table."""

    strings: list[str]
    most_chars: int
    lines: list[str] = field(default_factory=list[str])
    _cells: dict[int, str] = field(default_factory=dict[int, str])
    _value: list[str] = field(default_factory=list[str])
    _column: int = 0
    _type: str = ""
    _in_text: bool = False
    _width: int = 0
    _length: int = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        if name == "row":
            self._cells.clear()
            self._column = 0
        elif name == "c":
            place = CELL.fullmatch(attributes.get("r", ""))
            self._column = column(place.group(1)) if place else self._column + 1
            self._type = attributes.get("t", "n")
            self._value.clear()
        elif name in ("v", "t"):
            self._in_text = True

    def end(self, name: str) -> None:
        """Take the end of an element. Raises `Enough` when there is too much text."""
        if name in ("v", "t"):
            self._in_text = False
        elif name == "c" and self._value and self._column <= MOST_COLUMNS:
            self._cells[self._column] = self._shown("".join(self._value))
        elif name == "row" and self._cells:
            self._add_row()

    def text(self, text: str) -> None:
        """Take text."""
        if self._in_text:
            self._value.append(text)

    def _add_row(self) -> None:
        first = not self._width
        width = max(self._width, *self._cells)
        line = row([self._cells.get(at, "") for at in range(1, width + 1)])
        self.lines.append(line)
        if first:
            self._width = width
            self.lines.append("|" + " --- |" * width)
        self._length += len(line)
        if self._length > self.most_chars:
            raise Enough

    def _shown(self, value: str) -> str:
        if self._type == "s":
            return self.strings[int(value)] if value.isdecimal() and int(value) < len(self.strings) else ""
        return {"1": "TRUE", "0": "FALSE"}.get(value, value) if self._type == "b" else value


def text_of(body: bytes) -> Text:
    """Return the text of an xlsx: each visible sheet as a Markdown table under its name; hidden sheets left out."""
    package, strings, workbook = opened(body), Strings(), Workbook()
    parse(package, "xl/sharedStrings.xml", strings)
    parse(package, "xl/_rels/workbook.xml.rels", workbook)
    if not parse(package, "xl/workbook.xml", workbook):
        raise WrongType("The file is no workbook. Use another source.")
    parts: list[str] = []
    hidden, room = 0, MOST_CHARS
    for sheet in workbook.sheets:
        text = sheet_text(package, sheet, strings.found, max(0, room))
        if sheet.visible:
            parts.append(f"## {sheet.name}\n\n{text}")
            room -= len(text)
        else:
            hidden += len(text)
    return Text("\n\n".join(parts), hidden, room <= 0)


def sheet_text(package: zipfile.ZipFile, sheet: Sheet, strings: list[str], most_chars: int) -> str:
    """Return one sheet as a Markdown table; empty if its part is missing."""
    table = Table(strings, most_chars)
    parse(package, sheet.part, table)
    return "\n".join(table.lines)


def column(letters: str) -> int:
    """Return the number of a column: A is 1, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
