"""What the simulated model says: pieces without ids, counts or wire form."""

from __future__ import annotations

from dataclasses import dataclass, field

from simulator.shapes import Json


@dataclass(frozen=True)
class Say:
    """Text for the user."""

    text: str


@dataclass(frozen=True)
class Think:
    """Thinking before the answer."""

    text: str


@dataclass(frozen=True)
class Call:
    """A tool that the client shall run."""

    name: str
    input: Json
    cut: int | None = None
    """After how many characters of its JSON the stream of arguments ends; None sends all."""


@dataclass(frozen=True)
class Whole:
    """A block that arrives at once: the work of the API itself."""

    block: Json


@dataclass(frozen=True)
class Search:
    """A search over the deferred tools."""

    query: str


Piece = Say | Think | Call | Whole | Search


@dataclass(frozen=True)
class Answer:
    """One answer of the model, in order. `stop` overrides what follows from the pieces."""

    pieces: tuple[Piece, ...]
    stop: str | None = None
    stop_details: Json | None = field(default=None)

    @property
    def stop_reason(self) -> str:
        """Why the model stopped: because it called, or because it was done."""
        if self.stop:
            return self.stop
        return "tool_use" if any(isinstance(piece, Call) for piece in self.pieces) else "end_turn"
