"""Patterns for names and text, on RE2: whatever the pattern, matching takes time linear in what is matched.

A glob knows `*`, `**`, `?`, `[a-z]` and `{a,b}`. Without a `/` it is about the last part of a path, at any depth; with
one it is about the path from where the search starts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any, Protocol

import re2 as _untyped  # pyright: ignore[reportMissingTypeStubs]

from servers.files.errors import Invalid

re2: Any = _untyped  # the package has no types; `Pattern` is what we use of it
LONGEST = 1000
"""Characters of a pattern."""

_ENDING = re.compile(r"(?:\*\*/)?\*(\.[\w.-]+)")
"""The globs that ask for an ending only, such as `*.md`: most of those that anybody writes."""


class Pattern(Protocol):
    """A compiled pattern over bytes of UTF-8."""

    def search(self, text: bytes, pos: int | None = None, endpos: int | None = None) -> Any:
        """Return the first match at or after `pos`, or None."""
        ...

    def fullmatch(self, text: bytes) -> Any:
        """Return a match of the whole text, or None."""
        ...


def compiled(pattern: str, *, ignore_case: bool = False) -> Pattern:
    """Return the regular expression `pattern` (RE2 syntax), which never matches across a line end.

    Raises `Invalid` for one that RE2 does not take: no look-around, no back-references, no giant repetitions.
    """
    if len(pattern) > LONGEST:
        raise Invalid(f"the pattern is longer than {LONGEST} characters", "Search for something shorter.")
    return _compiled(f"(?{'mi' if ignore_case else 'm'}){pattern}")


def literal(text: str, *, ignore_case: bool = False) -> Pattern:
    """Return a pattern that matches `text` itself."""
    if len(text) > LONGEST:
        raise Invalid(f"the text is longer than {LONGEST} characters", "Search for a shorter part of it.")
    return _compiled(f"(?{'i' if ignore_case else 's'}){re2.escape(encodable(text).decode())}")


def encodable(text: str) -> bytes:
    """Return `text` as UTF-8. Raises `Invalid` for half a surrogate pair, which no text holds."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Invalid("the pattern is not Unicode text", "Search for something else.") from None


@functools.lru_cache(maxsize=64)
def _compiled(pattern: str) -> Pattern:
    options = re2.Options()
    options.log_errors = False
    options.never_nl = True
    options.never_capture = True
    try:
        return re2.compile(encodable(pattern), options=options)
    except re2.error as error:
        raise Invalid(
            f"RE2 does not take this pattern ({_reason(error)})",
            "Write it without look-around and back-references, or search for plain text with regex=false.",
        ) from None


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return text.split(":")[0][:80]


class Glob:
    """A compiled glob."""

    def __init__(self, pattern: str) -> None:
        """Raises `Invalid` when `pattern` is no glob."""
        if len(pattern) > LONGEST:
            raise Invalid(f"the glob is longer than {LONGEST} characters", "Write a shorter one.")
        encodable(pattern)
        self.whole_path = "/" in pattern.strip("/") or pattern.startswith("/")
        """Whether it is about a path, not about its last part."""
        ending = _ENDING.fullmatch(pattern)
        self._ending = ending[1] if ending else ""
        self._pattern = _compiled(f"(?s){_translated(pattern.strip('/'))}")

    def matches(self, path: str) -> bool:
        """Say whether `path`, relative to where the search starts, is one of those meant."""
        if self._ending:
            return path.endswith(self._ending)
        name = path if self.whole_path else path.rpartition("/")[2]
        return self._pattern.fullmatch(name.encode(errors="replace")) is not None

    def among(self, names: Sequence[str], prefix: str) -> list[str]:
        """Return those of `names` that are meant; `prefix` is their directory, with a final slash if it is not `""`."""
        if self._ending:
            return [name for name in names if name.endswith(self._ending)]
        return [name for name in names if self.matches(prefix + name)]


def _translated(glob: str) -> str:
    out: list[str] = []
    at = open_braces = 0
    while at < len(glob):
        letter = glob[at]
        at += 1
        if letter == "*":
            stars = 1
            while at < len(glob) and glob[at] == "*":
                stars, at = stars + 1, at + 1
            at = _stars(out, glob, at, stars)
        elif letter == "?":
            out.append("[^/]")
        elif letter == "[" and (end := glob.find("]", at + 2 if glob[at : at + 1] in ("!", "^") else at + 1)) > 0:
            out.append(_one_of(glob[at:end]))
            at = end + 1
        elif letter == "{" and "}" in glob[at:]:
            out.append("(?:")
            open_braces += 1
        elif letter == "}" and open_braces:
            out.append(")")
            open_braces -= 1
        elif letter == "," and open_braces:
            out.append("|")
        else:
            out.append(re2.escape(letter))
    return "".join(out) + ")" * open_braces


def _stars(out: list[str], glob: str, at: int, stars: int) -> int:
    """Append what a run of stars matches; returns where the glob goes on."""
    if stars == 1:
        out.append("[^/]*")
    elif glob[at : at + 1] == "/":
        if not out or out[-1] != "(?:.*/)?":  # `**/**/` is `**/`
            out.append("(?:.*/)?")
        at += 1
    else:
        out.append(".*")
    return at


def _one_of(inside: str) -> str:
    negated = inside[:1] in ("!", "^")
    letters = inside[1:] if negated else inside
    safe = "".join(f"\\{letter}" if letter in "\\[]^&~" else letter for letter in letters)
    return f"[{'^/' if negated else ''}{safe}]"
