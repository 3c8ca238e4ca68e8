"""The passages of a text that answer a question best, by BM25 (Robertson and Zaragoza, 2009; k1 = 1.2, b = 0.75).

Words are runs of letters and digits without case and accents; Chinese, Japanese and Korean runs count as pairs of
characters, since they have no spaces to split at.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PASSAGE = 900  # characters a passage aims at
K1, B = 1.2, 0.75
MOST_WORDS = 64
WORD = re.compile(r"[^\W_]+")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
BLOCK = re.compile(r"\n[ \t]*\n+")


@dataclass(frozen=True)
class Passage:
    """A piece of a text and where it starts there, in characters."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Where it ends in the text."""
        return self.start + len(self.text)


def best(text: str, question: str, most_chars: int) -> Sequence[Passage]:
    """Return the passages of `text` that fit `question` best, in the order of the text, no more than `most_chars`.

    Empty if no word of the question is in the text. A single passage longer than `most_chars` is cut.
    """
    asked = set(list(words(question))[:MOST_WORDS])
    passages = list(split(text))
    counted = [Counter(word for word in words(passage.text)) for passage in passages]
    scores = scored(asked, counted)
    ranked = sorted((at for at in range(len(passages)) if scores[at] > 0), key=lambda at: (-scores[at], at))
    chosen: list[Passage] = []
    room = most_chars
    for at in ranked:
        passage = passages[at]
        if len(passage.text) <= room:
            chosen.append(passage)
            room -= len(passage.text)
        elif not chosen:
            return [Passage(passage.start, passage.text[:most_chars])]
    return sorted(chosen, key=lambda passage: passage.start)


def scored(asked: set[str], passages: Sequence[Counter[str]]) -> Sequence[float]:
    """Return the BM25 score of each passage, given how often each word is in it."""
    lengths = [counts.total() for counts in passages]
    average = (sum(lengths) / len(lengths) if lengths else 0) or 1
    rarity = {word: idf(sum(word in counts for counts in passages), len(passages)) for word in asked}
    return [
        sum(
            rarity[word] * counts[word] * (K1 + 1) / (counts[word] + K1 * (1 - B + B * length / average))
            for word in asked
            if word in counts
        )
        for counts, length in zip(passages, lengths, strict=True)
    ]


def idf(holding: int, total: int) -> float:
    """Return how much a word says that is in `holding` of `total` passages; never negative."""
    return math.log(1 + (total - holding + 0.5) / (holding + 0.5))


def split(text: str) -> Iterator[Passage]:
    """Yield the text in passages: blocks, joined while they are short and cut at line ends when they are long."""
    start = 0
    for block_end in [*(match.end() for match in BLOCK.finditer(text)), len(text)]:
        if block_end - start < PASSAGE // 2 and block_end < len(text):
            continue
        yield from pieces(text, start, block_end)
        start = block_end


def pieces(text: str, start: int, end: int) -> Iterator[Passage]:
    """Yield `text[start:end]` in passages of at most twice the size aimed at."""
    while end - start > 2 * PASSAGE:
        stop = text.rfind("\n", start + PASSAGE // 2, start + 2 * PASSAGE) + 1 or start + 2 * PASSAGE
        yield Passage(start, text[start:stop])
        start = stop
    if text[start:end].strip():
        yield Passage(start, text[start:end])


def words(text: str) -> Iterator[str]:
    """Yield the words of `text` as they are compared."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = (
        "".join(character for character in plain if not unicodedata.combining(character))
        if not plain.isascii()
        else plain
    )
    for match in WORD.finditer(unicodedata.normalize("NFC", plain)):
        word = match.group()
        if len(word) > 1 and UNSPACED.search(word):
            yield from (word[at : at + 2] for at in range(len(word) - 1))
        else:
            yield word
