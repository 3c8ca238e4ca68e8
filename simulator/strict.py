"""JSON as RFC 8259 has it: no NaN, no number beyond what a float holds, no nesting beyond what can be read."""

from __future__ import annotations

import json
import math
from typing import Any


def loads(text: str | bytes) -> Any:
    """Return the value of a text. Raises `ValueError`, whatever is wrong with it."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("recursion limit exceeded") from None


def starting(text: str) -> Any:
    """Return the value that a text begins with, whatever follows. Raises `ValueError`."""
    try:
        return DECODER.raw_decode(text)[0]
    except RecursionError:
        raise ValueError("recursion limit exceeded") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)
