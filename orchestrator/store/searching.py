"""What of an event can be searched, and how a user's words become a query of SQLite's FTS5 (https://sqlite.org/fts5.html).

Scripts written without spaces (Chinese, Japanese, Korean) are indexed character by character, so that any part of a
sentence is found; in all others a word is found by its beginning, with or without its accents.
"""

from __future__ import annotations

import re

from orchestrator.events import DurableEvent, StepFinished, ToolFinished, TurnStarted
from orchestrator.messages import text_of
from orchestrator.ports import Hit

LONGEST = 100_000
"""How many characters of one saying are indexed."""
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
WORD = re.compile(r"[^\W_]+")
SET_APART = UNSPACED.pattern.replace("]", r"\u3000-\u303f\uff00-\uffef]")
"""The same scripts with their punctuation."""
BETWEEN = re.compile(rf"(?<={SET_APART}) (?={SET_APART}|[«»])|(?<=[«»]) (?={SET_APART})")
Kind = str


def saying(event: DurableEvent) -> tuple[Kind, str] | None:
    """Return who said what in this event (user, assistant, tool), or None if nothing was said."""
    match event:
        case TurnStarted():
            kind, words = "user", text_of(event.content)
        case StepFinished():
            kind, words = "assistant", event.message.text
        case ToolFinished():
            kind, words = "tool", text_of(event.result.content)
        case _:
            return None
    return (kind, spread(words[:LONGEST])) if words.strip() else None


def spread(text: str) -> str:
    """Return the text with the characters of unspaced scripts set apart, NULs gone."""
    return UNSPACED.sub(r" \g<0> ", text.replace("\0", " "))


def gathered(snippet: str) -> str:
    """Return a snippet with what `spread` set apart put together again, on one line."""
    return BETWEEN.sub("", " ".join(snippet.split()))


def query(text: str) -> str:
    """Return the FTS5 query for all words of `text`, or an empty string if there is no word in it."""
    return " AND ".join(term(word) for word in WORD.findall(text))


def term(word: str) -> str:
    """Return the query for one word: its beginning, or a phrase of characters in an unspaced script."""
    return f'"{spread(word).strip()}"' if UNSPACED.search(word) else f'"{word}"*'


SQL = """
select s.conversation_id, c.title, s.seq, s.kind, snippet({index}, 0, '«', '»', '…', 16)
from {index} join sayings s on s.id = {index}.rowid join conversations c on c.id = s.conversation_id
where {index} match ? order by {index}.rowid desc limit ?
"""


def hit(row: tuple[object, ...]) -> Hit:
    """Return a row of `SQL` as the place it means."""
    conversation_id, title, seq, kind, snippet = row
    return Hit(str(conversation_id), str(title), int(str(seq)), str(kind), gathered(str(snippet)))  # type: ignore[arg-type]
