"""The strict simulator's own checks, without the HTTP between: would the API take this request?"""

from __future__ import annotations

from typing import Any

from simulator import parsing, validation
from simulator.errors import Refused
from simulator.request import Body

CALLER = parsing.Caller(key="k", version=parsing.NEW, betas=frozenset())


def refusal(body: dict[str, Any]) -> str:
    """Return why the request would be refused, or an empty string if it would be taken."""
    try:
        validation.check(parsing.request(Body, CALLER, body))
    except Refused as refused:
        return str(refused)
    return ""
