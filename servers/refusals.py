"""What a server of the suite refuses, in words that a model can act on.

A refusal is `code: one sentence. what to do`. Rooms below the protocol raise it; `servers.toolserver` puts it on the
wire, where the model reads exactly that text. Anything else that a tool raises is a bug: the model reads `internal`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NoReturn, get_args

Code = Literal[
    "denied", "not_found", "exists", "too_large", "ambiguous", "invalid", "timeout", "conflict", "unavailable"
]
CODES: frozenset[str] = frozenset(get_args(Code))


class Refusal(Exception):
    """The server will not do this; `str()` is one sentence and what to do instead, `code` is the contract.

    A room gives its own errors a code by subclassing: `class NoSuchFile(Refusal): code = "not_found"`.
    The text must name nothing that the client may not know: no host path, no connection string, no resolved address.
    """

    code: Code = "invalid"


def refuse(code: Code, text: str) -> NoReturn:
    """Raise a `Refusal`, e.g. `refuse("denied", "The path leaves the served folders. Use a path of fs_list.")`."""
    refusal = Refusal(text)
    refusal.code = code
    raise refusal


def wording(failure: BaseException | None) -> str | None:
    """Return `code: text` if `failure`, its causes or its group hold a refusal; None if it is a bug.

    Any exception with a `code` of ours counts, so that a room needs to import nothing.
    """
    for each in _chain(failure):
        code = getattr(each, "code", None)
        if isinstance(code, str) and code in CODES:
            return f"{code}: {each}"
    return None


def _chain(failure: BaseException | None) -> Iterator[BaseException]:
    while failure is not None:
        yield failure
        if isinstance(failure, BaseExceptionGroup):
            for member in failure.exceptions:  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
                yield from _chain(member)  # pyright: ignore[reportUnknownArgumentType]
        failure = failure.__cause__
