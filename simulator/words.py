"""The simulator's own words: who it is, what it calls, what came back."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any, cast

from simulator import strict
from simulator.answer import Call
from simulator.schema import tables_in
from simulator.shapes import Json
from simulator.situation import Situation, Tool

LINES, LENGTH, NAMES = 20, 1_600, 12


def introduction(situation: Situation) -> str:
    """Return the sentence that says who talks, once in a conversation."""
    return "" if situation.introduced else "This is the simulator, not a model. "


def calling(situation: Situation, calls: Sequence[Call]) -> str:
    """Return what is said before calls."""
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(call.name for call in calls))
    return f"{introduction(situation)}I call {names}."


def lost(situation: Situation, unfilled: Sequence[Tool] = ()) -> str:
    """Return what is said when nothing fits: what this is, and what it can do."""
    parts = [
        "I am the simulator: a stand-in for the Messages API on this machine. I have no intelligence: I match your "
        "words with the tools that I am offered, fill in what you name, and report what comes back."
    ]
    if unfilled:
        tool = unfilled[0]
        missing = ", ".join(f"`{name}`" for name in tool.required)
        parts.append(f"`{tool.name}` might fit, but it needs {missing}, and I cannot tell that from your words.")
    names = [f"`{tool.name}`" for tool in situation.tools]
    if names:
        more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
        parts.append(f"I can call: {', '.join(names[:NAMES])}{more}.")
        parts.append(
            "Name what you want (paths, URLs, SQL in backticks), or write "
            f'`/call {situation.tools[0].name} {{"…": …}}`.'
        )
    else:
        parts.append("No tools were offered, so there is nothing I could call.")
    return " ".join(parts)


def report(situation: Situation, notes: Sequence[str] = (), looked_up: Collection[str] = ()) -> str:
    """Return the answer from the results of this turn; of the tools `looked_up` only the names that they told."""
    many = len(situation.done) > 1
    parts = [introduction(situation) + ("Here is what the tools returned." if many else "")]
    for done in situation.done:
        head = f"`{done.name}`{_with(done.input)}"
        if done.is_error:
            parts.append(f"{head} failed: {trimmed(done.text)}")
        elif done.name in looked_up:
            names = ", ".join(table.name for table in tables_in(done.text))
            parts.append(f"{head} told the tables: {names}.")
        else:
            parts.append(f"{head} returned:\n\n{shown(done.text)}")
    parts += notes
    return "\n\n".join(part.strip() for part in parts if part.strip())


def _with(arguments: Json) -> str:
    if not arguments:
        return ""
    text = json.dumps(arguments, ensure_ascii=False)
    return f" with `{text if len(text) <= 160 else text[:157] + '...'}`"


def shown(text: str) -> str:
    """Return a result as a person reads it: tables as lines, lists of entries by name, text as it is; all trimmed."""
    try:
        value: Any = strict.loads(text)
    except ValueError:
        return trimmed(text) or "(nothing)"
    if isinstance(value, dict):
        known = cast(Json, value)
        if isinstance(known.get("rows"), list):
            return trimmed(_table(known))
        lists = [cast(list[Any], one) for one in known.values() if isinstance(one, list) and one]
        if len(lists) == 1:
            return trimmed(_list(lists[0]))
    if isinstance(value, list):
        return trimmed(_list(cast(list[Any], value))) or "(nothing)"
    return trimmed(text)


def _table(value: Json) -> str:
    columns = cast(list[Any], value.get("columns") or [])
    names = [str(cast(Json, one).get("name")) if isinstance(one, dict) else str(one) for one in columns]
    lines = [" | ".join(names)] if names else []
    for row in cast(list[Any], value["rows"]):
        cells = cast(
            list[Any],
            list(cast(Json, row).values()) if isinstance(row, dict) else row if isinstance(row, list) else [row],
        )
        lines.append(" | ".join("" if cell is None else str(cell) for cell in cells))
    return "\n".join(lines)


def _list(values: Sequence[Any]) -> str:
    return "\n".join(f"- {_entry(value)}" for value in values)


def _entry(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    known = cast(Json, value)
    name = next((str(known[key]) for key in ("path", "name", "title", "url", "id") if known.get(key) is not None), None)
    rest = ", ".join(
        f"{key} {_short(one)}" for key, one in known.items() if one not in (None, [], {}) and str(one) != name
    )
    return f"{name} ({rest})" if name and rest else name or rest


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(_names(one) for one in cast(list[Any], value)[:30])
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


def _names(value: Any) -> str:
    return " ".join(str(one) for one in list(cast(Json, value).values())[:2]) if isinstance(value, dict) else str(value)


def trimmed(text: str) -> str:
    """Return the first lines of a text, and how much was left out."""
    lines = text.strip("\n").split("\n")
    kept = "\n".join(lines[:LINES])[:LENGTH].rstrip()
    left = len(text.strip()) - len(kept)
    return kept + (f"\n… ({left} more characters)" if left > 2 else "")
