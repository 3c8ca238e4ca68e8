"""Why a server cannot be used: one shape for every screen, and for the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["config", "spawn", "negotiate", "list", "auth", "call"]
"""How far it came: its entry in the config, its start, the first exchange, its list of tools, its refusal of our
credentials, or a call after it had been ready."""

SHOWN_LINES = 5


@dataclass(frozen=True)
class Problem:
    """What went wrong with a server. `text` is the whole report."""

    server: str
    phase: Phase
    what: str
    """One sentence: the cause."""
    target: str
    """The command line or the address."""
    advice: str
    """The next step for a person."""
    ended: str = ""
    """`exit code 3` or `signal SIGKILL`, if its process ended."""
    lines: tuple[str, ...] = ()
    """The last lines that it wrote to its standard error."""

    @property
    def text(self) -> str:
        """The report, a few lines long."""
        parts = [f"{self.server}: {self.what} (phase: {self.phase})", f"  started as: {self.target}"]
        if "://" in self.target.partition(" ")[0]:
            parts[1] = f"  address: {self.target}"
        if self.ended:
            parts.append(f"  process: {self.ended}")
        if self.lines:
            parts.append("  last words:")
            parts += [f"    {line}" for line in self.lines[-SHOWN_LINES:]]
        return "\n".join([*parts, f"  next: {self.advice}"])


class Unusable(Exception):
    """A server cannot take a call now; the text says why, for the model to read."""


class CannotStart(Exception):
    """A server's program cannot even be started."""

    def __init__(self, phase: Phase, what: str, advice: str) -> None:
        super().__init__(what)
        self.phase: Phase = phase
        self.what = what
        self.advice = advice
