"""How long a piece of blocking work may go on: until its deadline, or until nobody waits for it any more."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from servers.files.errors import OutOfTime

SECONDS = 5.0
"""What one call may take, unless the operator says otherwise."""


@dataclass(frozen=True)
class Patience:
    """Asked by walkers and readers between two steps."""

    deadline: float
    """By `time.monotonic()`."""
    given_up: threading.Event = field(default_factory=threading.Event)
    """Set by whoever waited, when it no longer does."""

    @classmethod
    def of(cls, seconds: float = SECONDS) -> Patience:
        """Return the patience of someone who waits `seconds` from now."""
        return cls(time.monotonic() + seconds)

    @property
    def over(self) -> bool:
        """Whether to stop now."""
        return self.given_up.is_set() or time.monotonic() > self.deadline

    def check(self) -> None:
        """Raise `OutOfTime` when it is over."""
        if self.over:
            raise OutOfTime("this took too long and was stopped", "Ask for less: a smaller folder, fewer lines.")
