"""The user's words as wishes: one clause each, with the things named in it."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from simulator import strict
from simulator.shapes import Json

_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_STOP = """
a an the of to in on at for from and or is are was were be do does did can could would will please me my you your i
it its this that these those there here what which who whom how with by as about tell give get let us we want need have
has any some then first now also if so than just
"""
_READ = "read show open cat display print view head content look summarise summarize explain say"
_FETCH = "fetch download browse visit url page website web http https link"
_ACTS = "list show read open search find fetch query call run count print display view look summarise explain"
_COMMON = "folder directory file files database workspace project page web here all both each every current"
_CHANGES = "write create save edit replace modify update delete remove erase move rename execute drop insert"

NUMBERS = {word: number for number, word in enumerate(_COUNTED.split())} | {"fifteen": 15, "twenty": 20, "fifty": 50}
STOP = frozenset(_STOP.split())
KINDRED = (
    frozenset({"list", "ls", "dir", "enumerate"}),
    frozenset({"file", "folder", "directory"}),
    frozenset(_READ.split()),
    frozenset({"search", "find", "grep", "locate", "occurrence", "mention"}),
    frozenset(_FETCH.split()),
    frozenset({"write", "create", "save", "store", "put"}),
    frozenset({"edit", "replace", "change", "modify", "update"}),
    frozenset({"delete", "remove", "erase"}),
    frozenset({"move", "rename"}),
    frozenset({"query", "sql", "select"}),
    frozenset({"schema", "table", "column"}),
    frozenset({"database", "db"}),
    frozenset({"recall", "remember", "earlier", "forgot"}),
)
ACTS = frozenset(_ACTS.split())
COMMON = frozenset(_COMMON.split())
CHANGES = frozenset(_CHANGES.split())

URL = re.compile(r"https?://[^\s<>\"'`)\]]+")
BACKTICKS = re.compile(r"`+([^`]+)`+")
QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|(?<!\w)'([^']+)'(?!\w)")
PATH = re.compile(
    r"(?<![\w/-])(?:[\w.~-]+:)?(?:[\w.~@-]+/)*[\w@-]*\.[A-Za-z][\w-]{0,9}\b|(?<![\w:])(?:\.{0,2}/|[\w.-]+/)[\w./-]*"
)
NUMBER = re.compile(r"(?<![\w.])-?[0-9]{1,15}(?:\.[0-9]{1,15})?(?![\w.]*\w)")
SQL = re.compile(r"^\s*(select|with|explain|show|pragma|insert|update|delete|describe|values)\b", re.I)
WORD = re.compile(r"[A-Za-z][A-Za-z_]*")


def stem(word: str) -> str:
    """Return a word without its plural or verb ending, good enough to compare."""
    word = word.lower()
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("xes", "x"), ("ing", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + instead
    return word


def word_is_common(word: str) -> bool:
    """Whether a word names no folder of its own."""
    return word.lower() in COMMON


@functools.lru_cache(maxsize=8_192)
def words_of(text: str) -> frozenset[str]:
    """Return the stems of the words that matter, names split at `_` and at capitals."""
    spread = re.sub(r"([a-z])([A-Z])", r"\1 \2", text.replace("_", " ").replace("-", " "))
    return frozenset(stem(word) for word in WORD.findall(spread) if word.lower() not in STOP)


def kin(words: frozenset[str]) -> frozenset[str]:
    """Return `words` and all that mean about the same."""
    return words.union(*(group for group in KINDRED if group & words))


@dataclass(frozen=True)
class Clause:
    """One wish, and the things it names."""

    text: str

    @functools.cached_property
    def bare(self) -> str:
        """The text without the things that are quoted in it."""
        text = self.text
        for pattern in (BACKTICKS, URL, QUOTED):
            text = pattern.sub(" ", text)
        return text

    @functools.cached_property
    def words(self) -> frozenset[str]:
        """The stems of its words."""
        asks = (
            {"list"} if re.search(r"\b(what|which|how many)\b.*\b(are|is|do|does)\b", self.bare, re.I) else set[str]()
        )
        return words_of(PATH.sub(" ", self.bare)) | asks

    @functools.cached_property
    def nouns(self) -> frozenset[str]:
        """The words that name a thing, not an act."""
        return self.words - ACTS

    @functools.cached_property
    def place(self) -> str | None:
        """The folder of `the files in docs`."""
        found = re.search(
            r"\b(?:in|under|inside|within)\s+(?:the\s+)?([A-Za-z][\w.-]*)\b(?!\s+(?:table|database))", self.bare
        )
        word = found.group(1) if found else None
        return None if word is None or word.lower() in STOP or word_is_common(word) else word

    @functools.cached_property
    def urls(self) -> tuple[str, ...]:
        """The addresses."""
        return tuple(url.rstrip(".,;:!?") for url in URL.findall(self.text))

    @functools.cached_property
    def ticked(self) -> tuple[str, ...]:
        """What stands in backticks."""
        return tuple(found.strip() for found in BACKTICKS.findall(self.text))

    @functools.cached_property
    def sql(self) -> tuple[str, ...]:
        """The statements in backticks, or the whole clause if it is one."""
        ticked = tuple(found for found in self.ticked if SQL.match(found))
        plain = re.match(r"\s*select\s.+\sfrom\s", self.text, re.I) or re.match(r"\s*select\s+[\w(*]+", self.text)
        return ticked or ((self.text.strip(),) if plain else ())

    @functools.cached_property
    def quoted(self) -> tuple[str, ...]:
        """What stands in quotes."""
        return tuple(next(filter(None, found)) for found in QUOTED.findall(self.text))

    @functools.cached_property
    def paths(self) -> tuple[str, ...]:
        """What looks like a file or a folder."""
        plain = [found.rstrip(".,;:!?") for found in PATH.findall(self.bare)]
        marked = [found for found in (*self.ticked, *self.quoted) if PATH.fullmatch(found)]
        return tuple(
            dict.fromkeys(
                found for found in (*marked, *plain) if found not in ("", ".", "/") and not _is_abbreviation(found)
            )
        )

    @functools.cached_property
    def numbers(self) -> tuple[float | int, ...]:
        """The numbers, in digits or in words."""
        digits = [float(found) if "." in found else int(found) for found in NUMBER.findall(PATH.sub(" ", self.bare))]
        return (*digits, *(NUMBERS[word.lower()] for word in WORD.findall(self.bare) if word.lower() in NUMBERS))

    @functools.cached_property
    def object(self) -> Json | None:
        """The JSON object in it."""
        start = self.text.find("{")
        while start >= 0:
            try:
                found: Any = strict.starting(self.text[start:])
            except ValueError:
                start = self.text.find("{", start + 1)
                continue
            return found
        return None


def _is_abbreviation(found: str) -> bool:
    return found.lower().rstrip(".") in ("e.g", "i.e", "etc", "a.m", "p.m", "and/or")


BREAK = re.compile(
    r"\s*(?:[,;]\s*(?:and\s+)?(?:then|also|after that|afterwards|finally)\b,?|;|\n+|(?<=[.?!])\s+|\.\s+|\bthen\b"
    r"|\band (?:then|also)\b"
    r"|,\s*and\s+(?=(?:list|show|read|fetch|find|search|get|tell|how|what|which|count|open|call)\b)"
    r"|\band\s+(?=(?:list|show|read|fetch|find|search|open|tell me|how many|count|which)\b)"
    r"|\band\s+(?=what (?:is|are|\w+ (?:is|are))\b)"
    r"|,\s*(?=(?:list|show|read|fetch|find|search|open|tell me|how many|count|what|which)\b))\s*",
    re.I,
)


LONGEST_HEAD, LONGEST_TAIL = 4_000, 2_000
"""What is read of a text that is longer: a wish stands before or behind what somebody pasted."""
RUN = re.compile(r"(\W)\1{20,}")
MOST_HALVES, LONGEST_HALVED = 8, 2_000
AND = re.compile(r"\s*(?:,\s*)?\band\b\s*|\s*,\s*", re.I)


def split(text: str) -> list[Clause]:
    """Return the wishes in a text. What is quoted, in backticks or in braces is never split."""
    kept, held = _held(_readable(text))
    parts = [_put_back(part, held).strip(" ,") for part in BREAK.split(kept)]
    return [Clause(part) for part in parts if part.strip(" .,!?")]


def _readable(text: str) -> str:
    """Return a text without the rulers and blanks in it that would only cost time, cut to what is read of it."""
    text = RUN.sub(lambda found: found[1] * 20, text)
    return text if len(text) <= LONGEST_HEAD + LONGEST_TAIL else f"{text[:LONGEST_HEAD]}\n{text[-LONGEST_TAIL:]}"


def halves(clause: Clause) -> list[tuple[Clause, Clause]]:
    """Return the ways to take a clause for two wishes, at each `and` or comma; the second as it stands.

    And once more with the first one's verb before it: `list the tables and the files`.
    """
    if len(clause.text) > LONGEST_HALVED:
        return []
    kept, held = _held(clause.text)
    found: list[tuple[Clause, Clause]] = []
    for cut in list(AND.finditer(kept))[:MOST_HALVES]:
        left, right = _put_back(kept[: cut.start()], held).strip(), _put_back(kept[cut.end() :], held).strip()
        if not left or not right:
            continue
        verb = next((word for word in WORD.findall(left) if stem(word) in ACTS), None)
        found.append((Clause(left), Clause(right)))
        found += [(Clause(left), Clause(f"{verb} {right}"))] if verb else []
    return found


def _held(text: str) -> tuple[str, list[str]]:
    """Return a text with marks for what is quoted, in backticks, in braces or an address, and those."""
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(found.group())
        return f"\0{len(held) - 1}\0"

    text = text.replace("\0", " ")
    return re.sub(r"`[^`]*`|\"[^\"]*\"|“[^”]*”|https?://\S+|\{.*\}", hold, text, flags=re.S), held


def _put_back(part: str, held: Sequence[str]) -> str:
    return re.sub(r"\0(\d+)\0", lambda found: held[int(found.group(1))], part)
