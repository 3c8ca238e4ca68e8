"""Puts pieces on the screen: plain for pipes, CI and screen readers; with colour and a live region for terminals.

What is finished is written once, into the terminal's own scrollback. Only the live region is ever redrawn.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sequence
from typing import TextIO

from orchestrator.cli.screen import Kind, Piece, Row, Thought, Words


class Writer:
    """Writes pieces as they are: no colour, no control codes. While `held`, pieces wait."""

    live = False

    def __init__(self, words: TextIO, rows: TextIO | None = None) -> None:
        self._words = words
        self._rows = rows or words
        self._line_open = False
        self._spoke = False
        self._last: type[Piece] | None = None
        self._held: list[Piece] | None = None

    def write(self, pieces: Iterable[Piece]) -> None:
        """Show the pieces, in order, at once."""
        if self._held is not None:
            self._held.extend(pieces)
            return
        for piece in pieces:
            self._write(piece)
        self._words.flush()
        if self._rows is not self._words:
            self._rows.flush()

    def say(self, text: str, kind: Kind | None = None) -> None:
        """Show lines of our own, whatever is held; with `kind` as one row of that kind."""
        self.clear_live()
        self._end_line()
        self._rows.write(self._styled(Row(kind, text)) if kind else text)
        self._rows.write("\n")
        self._rows.flush()

    def prompt(self, text: str) -> None:
        """Show a prompt; the cursor stays behind it."""
        self.clear_live()
        self._end_line()
        self._rows.write(text)
        self._rows.flush()
        self._line_open = True

    def answered(self) -> None:
        """The line of the prompt is over: whoever sits there pressed Enter."""
        self._line_open = False

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """Let pieces wait while the user is asked something."""
        self.clear_live()
        self._end_line()
        self._held = []
        try:
            yield
        finally:
            waiting, self._held = self._held, None
            self.write(waiting)

    def draw_live(self, rows: Sequence[str]) -> None:
        """Show the rows of the live region; a plain writer has none."""

    def clear_live(self) -> None:
        """Take the live region away."""

    def close(self) -> None:
        """End the line, and the live region."""
        self.clear_live()
        self._end_line()
        self._words.flush()

    def _write(self, piece: Piece) -> None:
        together = self._words is self._rows
        if isinstance(piece, Thought):
            return self._think(piece.text)
        if isinstance(piece, Words):
            if self._last is Thought:
                self._end_line()
            if self._last is Thought or (self._last is Row and (together or self._spoke)):
                self._words.write("\n")
            self._spoke = True
            self._speak(piece.text)
        else:
            self._end_line()
            if together and self._last in (Words, Thought):
                self._rows.write("\n")
            self._rows.write(self._styled(piece) + "\n")
        self._last = type(piece)
        return None

    def _think(self, text: str) -> None:
        """Show what the model thinks; without colour it could be taken for its answer, so it is left out."""

    def _speak(self, text: str) -> None:
        self._words.write(text)
        self._line_open = not text.endswith("\n") if text else self._line_open

    def _styled(self, row: Row) -> str:
        return str(row)

    def _end_line(self) -> None:
        if self._line_open:
            self._words.write("\n")
            self._words.flush()
        self._line_open = False


class TerminalWriter(Writer):
    """Adds colour, and a live region of a few rows under what is finished."""

    live = True

    def __init__(self, words: TextIO, rows: TextIO | None = None) -> None:
        super().__init__(words, rows)
        from rich.console import Console

        from orchestrator.cli.wrapping import Wrapping

        self._console = Console(file=self._rows, highlight=False, markup=False, emoji=False)
        self._wrapping = Wrapping(self._console.width - 1)
        self._drawn = 0
        self._dim = False

    def write(self, pieces: Iterable[Piece]) -> None:
        """Show the pieces above the live region."""
        if self._held is None:
            self.clear_live()
        super().write(pieces)

    def draw_live(self, rows: Sequence[str]) -> None:
        """Redraw the live region, unless a line of words is open or the user is being asked."""
        if self._held is not None or self._line_open or not (rows or self._drawn):
            return
        from rich.cells import set_cell_size

        width = max(10, self._console.width - 1)
        self.clear_live()
        for row in rows:
            self._rows.write(set_cell_size(row, width).rstrip() + "\n")
        self._drawn = len(rows)
        self._rows.flush()

    def _speak(self, text: str) -> None:
        self._wrapping.width = self._console.width - 1
        super()._speak(self._shaded(self._wrapping.feed(text)))

    def _think(self, text: str) -> None:
        """Show what the model thinks, dimmed."""
        if self._last is not Thought:
            self._end_line()
            if self._last:
                self._words.write("\n")
        self._last, self._dim = Thought, True
        self._speak(text)

    def _end_line(self) -> None:
        super()._speak(self._shaded(self._wrapping.flush()))
        super()._end_line()
        self._dim = False

    def _shaded(self, text: str) -> str:
        """Return the lines dimmed while the model thinks; the ends of lines stay bare."""
        if not self._dim:
            return text
        return "\n".join(f"\x1b[2m{line}\x1b[22m" if line else "" for line in text.split("\n"))

    def clear_live(self) -> None:
        """Take the live region away: up and erase, row by row."""
        if self._drawn:
            self._rows.write("\x1b[1A\x1b[2K" * self._drawn)
            self._rows.flush()
        self._drawn = 0

    def _styled(self, row: Row) -> str:
        from rich.text import Text

        from orchestrator.cli.wrapping import hanging

        styles = {"ok": "green", "failed": "red", "problem": "bold red", "started": "cyan"}
        text = Text(hanging(str(row), self._console.width - 1), style="dim" if row.kind == "note" else "")
        if row.kind in styles:
            text.stylize(styles[row.kind], 0, 1)
        with self._console.capture() as captured:
            self._console.print(text, end="", soft_wrap=True)
        return captured.get()
