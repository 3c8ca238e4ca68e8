"""JSON Schema, with patterns in time linear in the text (RE2): a hostile schema cannot hold the simulator up.

A pattern that RE2 does not know (look-around, back references) is taken to fit anything.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import re2 as _untyped  # pyright: ignore[reportMissingTypeStubs]
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]

from simulator.shapes import Json

re2: Any = _untyped


def fits(schema: Json | bool, value: Any) -> bool:
    """Whether a value is what a schema of draft 2020-12 asks for."""
    return bool(VALIDATOR(schema).is_valid(value))


@functools.lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    found = _compiled(pattern) if isinstance(value, str) else None
    if found and not found.search(value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


VALIDATOR: Any = extend(Draft202012Validator, {"pattern": _pattern})  # pyright: ignore[reportUnknownVariableType]
