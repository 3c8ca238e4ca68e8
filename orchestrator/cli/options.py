"""What the command line says, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options that several commands share; what a command does not offer has its default."""

    config: Path | None = None
    verbose: bool = False
    trust: bool = False
    plain: bool = False
    model: str = ""
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    yes: bool = False
    wait: float | None = None
    """Seconds to wait for servers before a message is sent; None: short with a person, longer without."""
    max_cost: float | None = None
    """US dollars that one turn may cost; None: what the config says."""
    take_over: bool = False
    """Take the turn over from a window that is alive, but does not answer."""
