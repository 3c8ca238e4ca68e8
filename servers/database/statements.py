"""What is checked about the text of a statement before an engine sees it. No parser: the engine says what it means."""

from __future__ import annotations

import re

from servers.database.errors import TooLarge, WrongStatement

LONGEST = 100_000
FILLER = re.compile(r"(?:\s|;|--[^\n]*+(?:\n|\Z)|/\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))*+")


def nothing_but_comments(text: str) -> bool:
    """Whether a text holds only white space, semicolons and comments."""
    return FILLER.fullmatch(text) is not None


def checked(sql: str) -> str:
    """Return the text. Raises `TooLarge` over 100 KB, `WrongStatement` if no engine could take it."""
    if len(sql) > LONGEST:
        raise TooLarge(
            f"The statement has {len(sql)} characters, at most {LONGEST} are allowed. Pass values as params."
        )
    if "\0" in sql:
        raise WrongStatement("The statement holds a NUL character. Remove it, or write char(0) or chr(0).")
    if any("\ud800" <= character <= "\udfff" for character in sql):
        raise WrongStatement("The statement holds half a surrogate pair. Send valid Unicode.")
    if nothing_but_comments(sql):
        raise WrongStatement("There is no statement in it. Send one SELECT.")
    return sql


def unended(sql: str) -> str:
    """Return a statement without the semicolons, comments and white space behind it, so that it fits into brackets."""
    end = len(sql)
    for match in re.finditer(r";", sql):
        if nothing_but_comments(sql[match.start() :]):
            end = match.start()
            break
    return sql[:end]
