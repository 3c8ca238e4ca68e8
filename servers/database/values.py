"""Cells as JSON: how a value of any engine looks in an answer, without losing what JSON cannot hold.

null, booleans: themselves · text: without hidden characters (`servers.cleaning`) · integers: numbers up to 2^53, beyond
that their digits as a string · decimals: a number if a double holds exactly that value, else their digits as a string ·
NaN: null · infinities: "Infinity", "-Infinity" · bytes: {"$bytes": how many} · dates, times, UUIDs, networks, geometry:
the engine's text · arrays, rows and maps: arrays and objects of these.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from servers.cleaning import clean
from servers.database.engine import Answer, Column, Cut, Window

SAFE_INTEGER = 2**53
LONG_NUMBER = 100
"""Digits from which a decimal is written with an exponent."""


def plain(value: Any) -> Any:
    """Return a value of a database driver as a JSON value."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -SAFE_INTEGER <= value <= SAFE_INTEGER else str(value)
        case float():
            return plain_float(value)
        case bytes() | bytearray():
            return {"$bytes": len(value)}
        case Decimal():
            return plain_decimal(value)
        case datetime() | date() | time():
            return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
        case timedelta():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        case list() | tuple() | set():
            return [plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return str(value)


def plain_float(value: float) -> float | str | None:
    """Return a double as JSON can hold it."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def plain_decimal(value: Decimal) -> int | float | str | None:
    """Return a decimal as a number if nothing is lost by it, otherwise as its digits."""
    if not value.is_finite():
        return plain_float(float(value))
    if abs(value) <= SAFE_INTEGER and value == value.to_integral_value():
        return int(value)
    near = float(value)
    if math.isfinite(near) and Decimal(repr(near)) == value:
        return near
    return format(value, "f") if abs(value.adjusted()) < LONG_NUMBER else str(value)


@dataclass
class Page:
    """Takes the rows of a result one by one until the window is full."""

    window: Window
    rows: list[list[Any]] = field(default_factory=list[list[Any]])
    size: int = 0
    full: Cut | None = None
    cells_cut: int = 0
    nans: int = 0
    hidden: int = 0

    def add(self, row: Iterable[Any]) -> bool:
        """Take a row of a driver's values; return False, and leave it out, if it does not fit any more."""
        if len(self.rows) >= self.window.max_rows:
            self.full = "rows"
            return False
        cells: list[Any] = []
        size = 0
        for value in row:  # nearly all cells are of these kinds and need nothing; this loop is most of a query's cost
            kind = type(value)  # pyright: ignore[reportUnknownVariableType]
            if kind is str:
                if len(value) <= self.window.max_cell and value.isascii() and value.isprintable():
                    size += len(value) + 3
                else:
                    value = self.fit(value)
                    size += len(value) + 3
            elif kind is int and -SAFE_INTEGER <= value <= SAFE_INTEGER:
                size += 6
            elif value is None or kind is bool or (kind is float and -math.inf < value < math.inf):
                size += 12
            else:
                value = self.fit(value)
                size += len(json.dumps(value))
            cells.append(value)
        if self.rows and self.size + size > self.window.max_bytes:
            self.full = "bytes"
            return False
        self.size += size
        self.rows.append(cells)
        return True

    def fit(self, value: Any) -> Any:
        """Return a value as JSON, cut if it is too long, without characters that nobody sees."""
        if isinstance(value, float) and math.isnan(value):
            self.nans += 1
        cell = self.cleaned(plain(value))
        if isinstance(cell, dict | list):
            text = json.dumps(cell, ensure_ascii=False)
            if len(text) <= self.window.max_cell:
                return cell  # pyright: ignore[reportUnknownVariableType]
            cell = self.cut(text)
        return cell

    def cleaned(self, cell: Any) -> Any:
        """Return a JSON value with its texts cut and cleaned."""
        match cell:
            case str():
                text = clean(self.cut(cell))
                self.hidden += text.removed.total
                return text.text
            case list():
                return [self.cleaned(item) for item in cell]  # pyright: ignore[reportUnknownVariableType]
            case dict():
                return self.cleaned_object(cell)  # pyright: ignore[reportUnknownArgumentType]
            case _:
                return cell

    def cleaned_object(self, cell: dict[str, Any]) -> dict[str, Any]:
        """Return an object with keys and values cleaned; a key that would become another's is escaped instead."""
        result: dict[str, Any] = {}
        for key, item in cell.items():
            short = self.cleaned(key)
            result[json.dumps(key)[1:-1] if short in result else short] = self.cleaned(item)
        return result

    def cut(self, text: str) -> str:
        """Return a text, or the beginning of it that fits a cell and the mark `…`."""
        if len(text) <= self.window.max_cell:
            return text
        self.cells_cut += 1
        return text[: self.window.max_cell] + "…"

    def answer(self, columns: list[Column]) -> Answer:
        """Return what was taken, and whether that is all."""
        notes: list[str] = []
        if self.cells_cut:
            limit = self.window.max_cell
            notes.append(
                f"Cells cut at {limit} characters: {self.cells_cut}. Select a part, e.g. substr(column, {limit})."
            )
        if self.nans:
            notes.append(f"NaN shown as null: {self.nans} cells.")
        if self.hidden:
            notes.append(f"Hidden characters (control, bidi, zero-width) taken out of texts: {self.hidden}.")
        if self.full:
            notes.append("More rows follow at next_offset; only an ORDER BY keeps their order between calls.")
        truncated = self.full or ("cell" if self.cells_cut else None)
        following = self.window.offset + len(self.rows) if self.full else None
        return Answer(columns, self.rows, truncated, following, notes)


def json_value(text: str) -> Any:
    """Return the value of a JSON text, with numbers that a double cannot hold as their digits."""
    try:
        return plain(json.loads(text, parse_float=Decimal))
    except (ValueError, RecursionError):
        return text
