"""Lines broken between words: words that come in pieces, where code blocks are left as they are, and rows."""

from __future__ import annotations

import re

FENCE = "```"
BREAKABLE = re.compile(r"\n| +|[^ \n]+")


def hanging(row: str, width: int) -> str:
    """Return a row as lines of at most `width` cells, the later ones set in; a word that is longer stays whole."""
    from rich.cells import cell_len

    first, *words = row.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if cell_len(longer) <= width or not lines[-1].strip():
            lines[-1] = longer
        elif word:
            lines.append(f"  {word}")
    return "\n".join(lines)


class Wrapping:
    """Breaks a stream into lines of at most `width` cells; a word is held back until it is whole."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._column = 0
        self._word = ""
        self._blank = ""
        self._line = ""  # the start of the line, as far as it tells whether it is a fence
        self._fenced = False

    def feed(self, text: str) -> str:
        """Return what can be shown by now."""
        tokens: list[str] = BREAKABLE.findall(self._word + text)
        self._word = ""
        if tokens and tokens[-1].strip() and not self._fenced:
            self._word = tokens.pop()
        return "".join(map(self._place, tokens))

    def flush(self) -> str:
        """Return the word that was held back."""
        word, self._word = self._word, ""
        return self._place(word) if word else ""

    def _place(self, token: str) -> str:
        from rich.cells import cell_len

        if token == "\n":
            self._fenced ^= self._line.lstrip().startswith(FENCE)
            self._column, self._line, self._blank = 0, "", ""
            return token
        self._line = (self._line + token)[:80]
        if self._fenced:
            return token
        if not token.strip():  # blanks are shown with the word behind them, or not at all
            self._blank += token
            return ""
        blank, self._blank = self._blank, ""
        cells = cell_len(token)
        fits = self._column + len(blank) + cells <= self.width or self._line.lstrip().startswith(FENCE)
        if fits or not self._column:
            self._column += len(blank) + cells
            return blank + token
        self._column = cells
        return "\n" + token
