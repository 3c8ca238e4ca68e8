"""Stopping when asked: SIGTERM and SIGINT end the serving, its cleanup runs, and the process is gone in time."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from types import FrameType

SECONDS_TO_STOP = 5.0
_ASK_AGAIN = 0.3  # kept back, to say why and to leave

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def on_stop(stop: Callable[[], object]) -> Generator[None]:
    """Call `stop` at the first SIGTERM or SIGINT, inside the body; the process ends `SECONDS_TO_STOP` later at most.

    Work in a thread cannot be cancelled: if it still runs then, the process leaves without it, and says so.
    """
    wanted = [signal.SIGTERM, signal.SIGINT]

    def asked(_: int, __: FrameType | None) -> None:
        for each in wanted:
            signal.signal(each, signal.SIG_IGN)
        leave_within(SECONDS_TO_STOP - _ASK_AGAIN)
        stop()

    before = {each: signal.signal(each, asked) for each in wanted}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def leave_within(seconds: float) -> None:
    """Let the process end after `seconds` whatever still runs in it."""

    def leave() -> None:
        logger.warning("stopped without waiting for work that could not be cancelled")
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(0)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
