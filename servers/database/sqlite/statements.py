"""One statement for SQLite: that it is one, its parameters, its columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apsw

from servers.database.engine import Column, Statement
from servers.database.errors import WrongStatement
from servers.database.statements import nothing_but_comments


def only_one(sql: str) -> apsw.ExecTracer:
    """Return a tracer that refuses, before anything runs, a text of no statement or of several."""

    def trace(cursor: apsw.Cursor, first: str, _bindings: object) -> bool:
        if not cursor.has_vdbe:
            raise WrongStatement("There is no statement in it. Send one SELECT.")
        if not nothing_but_comments(sql[len(first) :]):
            raise WrongStatement("One statement per call. Send them one by one.")
        return True

    return trace


def bindings(statement: Statement) -> Any:
    """Return the parameters as apsw takes them; lists and objects are bound as JSON text."""
    params = statement.params
    if params is None:
        return None
    if isinstance(params, Sequence):
        return tuple(bindable(value) for value in params)
    return {name.lstrip(":@$"): bindable(value) for name, value in params.items()}


def columns_of(cursor: apsw.Cursor) -> list[Column]:
    """Return the columns of a running statement; none if it gives no rows."""
    return [Column(name, declared or "") for name, declared, *_ in cursor.get_description()]


def bindable(value: Any) -> Any:
    """Return a JSON value as SQLite can bind it: lists and objects become JSON text, huge integers their digits."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
