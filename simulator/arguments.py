"""A tool's arguments from what a clause holds."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from simulator.clauses import STOP, Clause, stem, words_of
from simulator.shapes import Json
from simulator.situation import Tool

PATHS = frozenset(
    {"path", "file", "filename", "folder", "directory", "dir", "uri", "src", "source", "dst", "destination"}
)
ADDRESSES = frozenset({"url", "uri", "href", "link", "address", "website"})
STATEMENTS = frozenset({"sql", "statement", "query"})
SOUGHT = frozenset(
    {"query", "pattern", "text", "q", "term", "search", "find", "keyword", "regex", "needle", "question"}
)
COUNTS = frozenset({"limit", "max", "count", "lines", "line", "rows", "number", "n", "top", "results", "size", "head"})
FEW_LINES = 10


def fill(tool: Tool, clause: Clause) -> list[Json]:
    """Return the arguments of each call that the clause asks of `tool`; none if a required one cannot be known.

    One call, unless the clause names several paths or addresses for a tool that takes one.
    """
    several = next(
        (
            (name, things)
            for name, things in (
                (_named(tool, PATHS, "string"), clause.paths),
                (_named(tool, ADDRESSES, "string"), clause.urls),
            )
            if name and len(things) > 1 and len([p for p in tool.parameters if words_of(p) & PATHS]) < 2
        ),
        None,
    )
    if several and not (clause.object is not None):
        name, things = several
        calls = [_fill_one(tool, clause, {name: thing}) for thing in things]
    else:
        calls = [_fill_one(tool, clause, {})]
    return [call for call in calls if call is not None]


def _named(tool: Tool, names: frozenset[str], kind: str) -> str | None:
    return next(
        (name for name, schema in tool.parameters.items() if _words(name) & names and kind_of(schema) == kind), None
    )


def _words(name: str) -> frozenset[str]:
    parts = re.split(r"[_\W]+|(?<=[a-z])(?=[A-Z])", name)
    return frozenset(part.lower() for part in parts if part)


def kind_of(schema: Json | bool) -> str:
    """Return the JSON type of a parameter, of several the first that is not null."""
    if isinstance(schema, bool):
        return "string"
    kind: Any = schema.get("type")
    if isinstance(kind, list):
        return next((str(one) for one in kind if one != "null"), "string")  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if kind is None:
        branches: list[Json | bool] = schema.get("anyOf") or schema.get("oneOf") or []
        for branch in branches:
            if not isinstance(branch, bool) and branch.get("type") not in (None, "null"):
                return kind_of({"type": branch["type"]})
    return str(kind or "string")


def _fill_one(tool: Tool, clause: Clause, known: Json) -> Json | None:
    arguments: Json = dict(known)
    if clause.object is not None and set(clause.object) <= set(tool.parameters):
        arguments |= clause.object
    taken: set[str] = {str(value) for value in arguments.values()}
    for name, schema in tool.parameters.items():
        if name in arguments:
            continue
        found = _value(name, schema, clause, name in tool.required, taken, arguments)
        if "enum" in schema and name not in tool.required and _is_of_the_tool(found, tool):
            continue
        if found is not None:
            arguments[name] = found
            taken.add(str(found))
    return arguments if all(name in arguments for name in tool.required) else None


def _is_of_the_tool(choice: Any, tool: Tool) -> bool:
    """Whether a choice is a word that the tool says of itself, so that the user need not have meant the choice."""
    return isinstance(choice, str) and words_of(choice) <= words_of(f"{tool.name} {tool.description}")


def _value(name: str, schema: Json, clause: Clause, required: bool, taken: set[str], so_far: Json) -> Any:
    """Return what the clause says for one parameter, or None."""
    told = _told(name, schema, clause)
    if told is not None:
        return told
    if "enum" in schema:
        return next((one for one in schema["enum"] if isinstance(one, str) and stem(one) in clause.words), None) or (
            schema["enum"][0] if required and schema["enum"] else None
        )
    kind = kind_of(schema)
    if kind in ("integer", "number"):
        return _number(name, kind, clause, required, so_far)
    if kind == "boolean":
        return True if words_of(name) and words_of(name) <= clause.words else (False if required else None)
    if kind == "array":
        return _array(name, schema, clause, required, so_far)
    if kind == "object":
        return (clause.object or {}) if required else None
    return _string(name, clause, required, taken)


def _told(name: str, schema: Json, clause: Clause) -> Any:
    """Return a value given by name: `limit=5`, `glob: *.py`, `path "a b"`, `to bob@example.com`."""
    quoted = r"\"([^\"]*)\"|'([^']*)'|`([^`]*)`"
    found = re.search(rf"\b{re.escape(name)}\s*[=:]\s*(?:{quoted}|([^\s,;]+))", clause.text) or re.search(
        rf"\b{re.escape(name)}\s+(?:{quoted}|([\w.+-]+@[\w-]+(?:\.[\w-]+)+))", clause.text
    )
    if not found:
        return None
    text = next(part for part in found.groups() if part is not None)
    kind = kind_of(schema)
    if kind in ("integer", "number"):
        return _as_number(text, kind)
    if kind == "boolean":
        return text.lower() in ("true", "yes", "1", "on")
    return [part.strip() for part in text.split(",")] if kind == "array" else text


def _as_number(text: str, kind: str) -> float | int | None:
    try:
        number = int(text) if kind == "integer" else float(text)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def _number(name: str, kind: str, clause: Clause, required: bool, so_far: Json) -> float | int | None:
    words = _words(name)
    numbers = _left([number for number in clause.numbers if kind == "number" or isinstance(number, int)], so_far)
    near = {stem(word) for word in words} & clause.words
    if "start" in words or "offset" in words:
        after = re.search(
            r"\b(?:from|at|starting (?:at|from)|line|offset)\s+(?:line\s+)?([0-9]{1,9})\b", clause.bare, re.I
        )
        return int(after.group(1)) if after else (1 if required else None)
    if words & COUNTS:
        if near and numbers:
            return numbers[0]
        if "lines" in words and re.search(r"\bfirst (?:few )?lines\b|\bbeginning\b|\bhead\b", clause.bare, re.I):
            return FEW_LINES
        if re.search(r"\b(first|top|last)\b", clause.bare, re.I) and numbers and not near:
            return numbers[0] if "lines" not in words else None
        return (numbers[0] if numbers else FEW_LINES) if required else None
    return numbers[0] if numbers and (required or near) else None


def _left(numbers: list[float | int], so_far: Json) -> list[float | int]:
    """Return the numbers that no parameter before has taken; one that was said twice can be taken twice."""
    for value in so_far.values():
        if isinstance(value, int | float) and value in numbers:
            numbers.remove(value)
    return numbers


def _array(name: str, schema: Json, clause: Clause, required: bool, so_far: Json) -> list[Any] | None:
    inner = kind_of(schema.get("items") or {})
    words = _words(name)
    singular = {word.rstrip("s") for word in words}
    if inner in ("integer", "number") and required:
        return list(clause.numbers) or None
    if singular & ADDRESSES and clause.urls:
        return list(clause.urls)
    if singular & PATHS and clause.paths and not any(_words(key) & PATHS for key in so_far):
        return list(clause.paths)
    if required and inner == "string":
        return list(clause.quoted or clause.ticked) or None
    return None


def _string(name: str, clause: Clause, required: bool, taken: set[str]) -> str | None:
    words = _words(name)
    if words & ADDRESSES and clause.urls:
        return _free(clause.urls, taken)
    if words & STATEMENTS and clause.sql:
        return _free(clause.sql, taken)
    if words & PATHS:
        found = _free(clause.paths, taken) or (_free((*clause.quoted, *clause.ticked), taken) if required else None)
        found = found or (clause.place if words & {"path", "folder", "directory", "dir"} else None)
        return found or ("." if required and words & {"folder", "directory", "dir"} else None)
    if not required:
        return None
    if words & ADDRESSES or ("sql" in words):
        return None
    given = _free((*clause.quoted, *clause.ticked), taken)
    if given is not None:
        return given
    if words & SOUGHT:
        return sought(clause)
    return _free((*clause.paths, *clause.urls), taken) if words & {"name", "id", "key", "title", "handle"} else None


def _free(things: Iterable[str], taken: set[str]) -> str | None:
    return next((thing for thing in things if thing not in taken), None)


def sought(clause: Clause) -> str | None:
    """Return what a search is for: the words after `for`, `about` or the verb."""
    after = re.search(
        r"\b(?:for|about|mention(?:s|ing)?|contain(?:s|ing)?|called|named|search|find|grep|recall)\s+(?:the\s+)?(.+)",
        clause.bare,
        re.I,
    )
    if not after:
        return None
    words = re.split(r"\s+(?:in|inside|under|within|from|across)\s+", after.group(1).strip(" .?!"))[0].split()
    while words and words[0].lower() in STOP:
        words.pop(0)
    return " ".join(words) or None
