"""Ctrl-C: the first one stops the turn, the second one leaves. SIGTERM and a closed terminal leave at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Coroutine

import anyio
from anyio.abc import TaskStatus

Stop = Callable[[], Coroutine[None, None, None]]


class Interrupts:
    """Listens to signals while the program is open. `left` is the exit code once a signal made us leave, else 0."""

    def __init__(self) -> None:
        self.left = 0
        self._stop: Stop | None = None
        self._asked = anyio.Event()

    def begin_turn(self, stop: Stop) -> None:
        """From now on the first Ctrl-C calls `stop`, once."""
        self._stop = stop

    def end_turn(self) -> None:
        """From now on the first Ctrl-C leaves."""
        self._stop = None

    async def listen(self, scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
        """Obey signals until cancelled; leaving cancels `scope`."""
        if sys.platform == "win32":  # no signal receiver there: Ctrl-C raises KeyboardInterrupt
            task_status.started()
            return
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            task_status.started()
            async with anyio.create_task_group() as tasks:
                async for number in signals:
                    if number == signal.SIGINT and self._stop:
                        tasks.start_soon(self._stop)
                        self._stop = None
                        continue
                    self.left = 128 + number
                    scope.cancel()
                    tasks.cancel_scope.cancel()
