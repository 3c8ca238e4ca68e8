"""One statement for SQLite: that it is one, its parameters, its columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apsw

from servers.database.engine import Column, Statement
from servers.database.errors import WrongStatement
from servers.database.statements import nothing_but_comments


class OnlyOne:
    """A tracer that refuses, before anything runs, a text of no statement or of several; it notes the columns."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        self.seen = False
        self.columns: list[Column] = []

    def __call__(self, cursor: apsw.Cursor, part: str, _bindings: object) -> bool:
        """Look at the next statement of the text. Raises `WrongStatement`."""
        if not self.seen and not nothing_but_comments(self.sql[len(part) :]):
            raise WrongStatement("One statement per call. Send them one by one.")
        if cursor.has_vdbe is self.seen:  # nothing to run, or comments that turned out to be a statement
            raise WrongStatement("Exactly one statement is wanted. Send one SELECT.")
        if not self.seen:
            self.columns = [Column(name, declared or "") for name, declared, *_ in cursor.get_description()]
        self.seen = True
        return True


def bindings(statement: Statement) -> Any:
    """Return the parameters as apsw takes them; lists and objects are bound as JSON text."""
    params = statement.params
    if params is None:
        return None
    if isinstance(params, Sequence):
        return tuple(bindable(value) for value in params)
    return {name.lstrip(":@$"): bindable(value) for name, value in params.items()}


def bindable(value: Any) -> Any:
    """Return a JSON value as SQLite can bind it: lists and objects become JSON text, huge integers their digits."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return str(value)
    return value
