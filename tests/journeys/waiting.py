"""Waiting for what another process brings about: bounded, and without a fixed sleep in any test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Return as soon as it holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    tick = threading.Event()
    while not holds():
        assert time.monotonic() < end, f"never came: {what}"
        tick.wait(0.02)
