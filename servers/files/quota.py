"""How much one server may write into a folder before somebody has a look."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from servers.files.errors import TooLarge

MOST_PER_CALL = 5_000_000
"""Bytes that one call may write, and of a file that is edited."""
MEGABYTE = 1_000_000
USUAL = 1000 * MEGABYTE


@dataclass
class Quota:
    """Bytes that may be written in all; counts up, never down, until the server is started again."""

    most: int = USUAL
    written: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, count: int) -> None:
        """Count `count` bytes as written. Raises `TooLarge` when they are more than are left."""
        with self._lock:
            if self.written + count > self.most:
                raise TooLarge(
                    f"this server has written {self.written} of the {self.most} bytes it may",
                    "Ask the operator to start it with a higher --quota.",
                )
            self.written += count


def refuse_large(count: int) -> None:
    """Raise `TooLarge` when `count` bytes are more than one call may write."""
    if count > MOST_PER_CALL:
        raise TooLarge(f"too large: {count} > {MOST_PER_CALL} bytes", "Write it in parts with mode='append'.")
