"""A question about a database as one simple, honest SELECT, from the words of the question and the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from simulator.clauses import NUMBERS, Clause, stem, words_of
from simulator.schema import Column, Table

SHOWN = 10
ASKS = re.compile(
    r"\b(how many|how much|number of|count|list|top|most|least|average|mean|total|sum|highest|lowest|cheapest)\b"
    r"|\b(newest|oldest|latest|largest|biggest|smallest|all|database|tables?|columns?|rows?)\b"
    r"|\bwh(?:ich|at|o)\b(?: \w+s)? (?:are|were|have|has|did|do)\b",
    re.I,
)
FILES = frozenset({"file", "folder", "directory", "page", "website", "url", "web"})
TIME = ("date", "created", "time", "year", "_at")
MONEY = ("price", "cost", "amount")
DOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"expensive": MONEY, "newest": TIME, "latest": TIME, "recent": TIME, "richest": ("balance", "income", "salary")}
    | {"popular": ("sold", "quantity", "sales", "count"), "best": ("rating", "score", "total")}
    | dict.fromkeys(("highest", "largest", "biggest", "most", "top", "longest"), ())
)
UP: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"cheapest": MONEY, "oldest": TIME, "earliest": TIME, "worst": ("rating", "score")}
    | dict.fromkeys(("lowest", "smallest", "least", "shortest"), ())
)
FIGURES = {"average": "AVG", "mean": "AVG", "total": "SUM", "sum": "SUM", "maximum": "MAX", "minimum": "MIN"}


def is_question(clause: Clause) -> bool:
    """Whether a clause could be answered by a query."""
    about_tables = clause.words & {"database", "db", "table", "column", "row", "sql"}
    return bool(ASKS.search(clause.bare)) and (bool(about_tables) or not clause.words & FILES)


def asks_for_tables(clause: Clause) -> bool:
    """Whether a clause asks for the schema itself."""
    about = re.search(r"\b(tables|schema|columns|structure)\b", clause.bare, re.I)
    return bool(about) and not re.search(r"\b(rows?|in the table|from)\b", clause.bare, re.I)


def query(clause: Clause, tables: Sequence[Table]) -> str | None:
    """Return the statement that the clause asks for, or None if it names no table and no column."""
    table = _table(clause, tables)
    if table is None:
        return None
    source, where = _quoted(table.name), _where(clause, table)
    if re.search(r"\b(how many|number of|count)\b", clause.bare, re.I):
        return f"SELECT COUNT(*) AS {_quoted(stem(table.name) + '_count')} FROM {source}{where}"
    figure = next((FIGURES[word] for word in FIGURES if re.search(rf"\b{word}\b", clause.bare, re.I)), None)
    column = _named(clause, [one for one in table.columns if one.numeric])
    if figure and column:
        name = _quoted(f"{figure.lower()}_{column.name}")
        return f"SELECT {figure}({_quoted(column.name)}) AS {name} FROM {source}{where}"
    return f"SELECT * FROM {source}{where}{_order(clause, table)} LIMIT {_limit(clause)}"


def _table(clause: Clause, tables: Sequence[Table]) -> Table | None:
    words = words_of(clause.bare)
    scored = [(_fit(t, words), t) for t in tables if t.name]
    named = [(score, table) for score, table in scored if words_of(table.name) & words]
    best = max(named or [one for one in scored if one[0] > 0], key=lambda one: one[0], default=None)
    return best[1] if best else None


def _fit(table: Table, words: frozenset[str]) -> int:
    """Return how well words name a table: its whole name above all, then parts of it, then its columns."""
    name = words_of(table.name)
    return 9 * (name <= words) + 3 * len(name & words) + len(words & _column_words(table))


def _column_words(table: Table) -> frozenset[str]:
    return frozenset(word for column in table.columns for word in words_of(column.name))


def _named(clause: Clause, columns: Sequence[Column]) -> Column | None:
    words = words_of(clause.bare)
    return next(
        (column for column in columns if words_of(column.name) and words_of(column.name) <= words), None
    ) or next((column for column in columns if words_of(column.name) & words), None)


def _where(clause: Clause, table: Table) -> str:
    """Return a condition for each column that the clause compares: `country is 'Norway'`, `price above 10`."""
    conditions: list[str] = []
    for column in table.columns:
        spoken = re.escape(column.name).replace("_", "[ _]")
        text = re.search(
            rf"\b{spoken}\s+(?:is|=|equals|of|named)?\s*(?:'([^']+)'|\"([^\"]+)\"|([A-Z]\w+))", clause.text
        )
        number = re.search(
            rf"\b{spoken}\s+(?:is\s+)?(above|over|below|under|>|<|=|of)\s*(?:than\s+)?(\d+(?:\.\d+)?)",
            clause.text,
            re.I,
        )
        if text and not column.numeric:
            value = next(part for part in text.groups() if part)
            conditions.append(f"{_quoted(column.name)} = '" + value.replace("'", "''") + "'")
        elif number:
            sign = {"above": ">", "over": ">", "below": "<", "under": "<", "of": "="}.get(
                number.group(1).lower(), number.group(1)
            )
            conditions.append(f"{_quoted(column.name)} {sign} {number.group(2)}")
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _order(clause: Clause, table: Table) -> str:
    text = clause.bare.lower()
    for words, direction in ((UP, "ASC"), (DOWN, "DESC")):
        for word in sorted(words, key=lambda one: not words[one]):
            if re.search(rf"\b{word}\b", text):
                column = _ordering(clause, table, words[word])
                return f" ORDER BY {_quoted(column.name)} {direction}" if column else ""
    return ""


def _ordering(clause: Clause, table: Table, hints: Sequence[str]) -> Column | None:
    """Return the column to sort by: one that the clause names after `by`, one that fits the word, any number named."""
    by = re.search(r"\bby\s+(?:the\s+)?([\w ]+)", clause.bare, re.I)
    named = _named(Clause(by.group(1)), table.columns) if by else None
    fits = (column for hint in hints for column in table.columns if hint in column.name.lower())
    return named or next(fits, None) or _named(clause, [column for column in table.columns if column.numeric])


def _limit(clause: Clause) -> int:
    numbers = [number for number in clause.numbers if isinstance(number, int) and 0 < number <= 200]
    if numbers and re.search(rf"\b(top|first|last|{'|'.join(NUMBERS)}|\d+)\b", clause.bare, re.I):
        return numbers[0]
    one = re.search(r"\b(?:what|which|who)\s+(?:is|was|has)\b", clause.bare, re.I)
    return 1 if one and _has_superlative(clause) else SHOWN


def _has_superlative(clause: Clause) -> bool:
    return any(re.search(rf"\b{word}\b", clause.bare, re.I) for word in (*UP, *DOWN))


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name.replace('"', '""') + '"'
