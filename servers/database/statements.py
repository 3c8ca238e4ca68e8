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


TOKENS = re.compile(
    r"""(?P<text>[eE]'(?:[^'\\]|\\.|'')*+'|'(?:[^']|'')*+'|"(?:[^"]|"")*+"|\$(?P<tag>[^\W\d]\w*+)?\$.*?\$(?(tag)(?P=tag))\$)
      |(?P<line>--[^\n]*+)|(?P<comment>/\*)|(?P<end>;)|[\w]++|.""",
    re.DOTALL | re.VERBOSE,
)

COMMENT_MARK = re.compile(r"/\*|\*/")


def unended(sql: str) -> str:
    """Return one statement without its semicolon and what follows, so that it fits into brackets.

    Where this misjudges an odd literal the brackets do not close, and the engine refuses the whole: it never lets
    anything out of them.
    """
    place = 0
    while match := TOKENS.match(sql, place):
        if match["end"]:
            return sql[: match.start()]
        place = comment_end(sql, match.start()) if match["comment"] else match.end()
    return sql


def comment_end(sql: str, start: int) -> int:
    """Return where the comment that starts at `start` ends; PostgreSQL's comments nest."""
    depth = 0
    for mark in COMMENT_MARK.finditer(sql, start):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(sql)


def located(sql: str, at: int) -> str:
    """Return where a character is, as line and column, with the text that follows it."""
    before = sql[:at]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    following = sql[at : at + 30].split("\n")[0]
    return f" at line {line}, column {column}, near {following!r}"
