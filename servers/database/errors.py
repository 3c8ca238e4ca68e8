"""Everything a database refuses or fails at, as its callers see it.

DatabaseError
├── WrongStatement    invalid       the engine does not accept the statement: syntax, names, types, parameters
├── Refused           denied        the statement is well formed and not allowed here
├── NoSuchThing       not_found     no such source, schema or table
├── TooLarge          too_large     the statement, a value or the memory it needs is over the limit
├── TooSlow           timeout       stopped in the engine at its time limit
├── Conflict          conflict      a lock, a constraint or another writer stood in the way
└── Unavailable       unavailable   the database cannot be reached or opened

`code` is the contract; the text is one sentence and what to do next, without passwords and paths of the host.
"""

from __future__ import annotations

from servers.cleaning import clean
from servers.refusals import Code, Refusal


class DatabaseError(Refusal):
    """A database said no: `code` says which kind, `str()` is for the model that asked."""

    def __init__(self, text: str) -> None:
        """Names in the text may come from strangers: hidden characters are taken out."""
        super().__init__(clean(text).text)


class WrongStatement(DatabaseError):
    """The engine does not accept the statement."""

    code = "invalid"


class Refused(DatabaseError):
    """The statement is not allowed here."""

    code = "denied"


class NoSuchThing(DatabaseError):
    """No source, schema or table of that name."""

    code = "not_found"


class TooLarge(DatabaseError):
    """The statement or what it needs is over a limit."""

    code = "too_large"


class TooSlow(DatabaseError):
    """The statement was stopped in the engine at its time limit."""

    code = "timeout"


class Conflict(DatabaseError):
    """A lock, a constraint or another writer stood in the way."""

    code = "conflict"


class Unavailable(DatabaseError):
    """The database cannot be reached or opened."""

    code = "unavailable"


KINDS: dict[Code, type[DatabaseError]] = {
    kind.code: kind for kind in (WrongStatement, Refused, NoSuchThing, TooLarge, TooSlow, Conflict, Unavailable)
}
"""The class of each code, for errors that come back from a worker process."""
