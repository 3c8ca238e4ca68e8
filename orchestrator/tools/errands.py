"""A call on its way: who asked for it, how long it may still work, and where its questions go."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Self

import anyio

from orchestrator.events import QuestionAnswered, QuestionAsked, ToolProgress
from orchestrator.messages import Call
from orchestrator.ports import Desk
from orchestrator.tools.texts import cleaned

BETWEEN_REPORTS = 0.1
"""Seconds; a server that reports its progress more often is heard that often."""


class WorkClock:
    """Counts the seconds that a server may work, and stops while a human answers it."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._scope = anyio.CancelScope()
        self._stops = 0

    @contextmanager
    def running(self) -> Generator[WorkClock]:
        """Cut the body off when the time is used up; `expired` then says so."""
        self._scope.deadline = anyio.current_time() + self._left
        with self._scope:
            yield self

    @property
    def expired(self) -> bool:
        """Whether the body was cut off."""
        return self._scope.cancelled_caught

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Stand still for as long as the context lasts; several may overlap."""
        if not self._stops:
            self._left = self._scope.deadline - anyio.current_time()
            self._scope.deadline = math.inf
        self._stops += 1
        try:
            yield
        finally:
            self._stops -= 1
            if not self._stops:
                self._scope.deadline = anyio.current_time() + self._left


class Seat:
    """A place among the calls that run at the same time, under several limits at once."""

    def __init__(self, *limits: anyio.Semaphore) -> None:
        self._limits = limits
        self._taken: list[anyio.Semaphore] = []

    async def __aenter__(self) -> Self:
        try:
            for limit in self._limits:
                await limit.acquire()
                self._taken.append(limit)
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave()

    def _leave(self) -> None:
        while self._taken:
            self._taken.pop().release()

    @asynccontextmanager
    async def left(self) -> AsyncGenerator[None]:
        """Let others have the place as long as the context lasts, and take one again afterwards."""
        self._leave()
        yield
        await self.__aenter__()


@dataclass
class Errand:
    """One call, its desk, its clock and its place among the others."""

    call: Call
    desk: Desk
    clock: WorkClock
    seat: Seat
    _reported: float = -math.inf

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        """Ask the user, for as long as it takes: the clock stands still, and another call may run meanwhile."""
        with self.clock.stopped():
            async with self.seat.left():
                return await self.desk.ask(question)

    async def report(self, progress: float, total: float | None, message: str | None) -> None:
        """Tell the desk how far the server says it is, unless it has just said so."""
        now = anyio.current_time()
        if now - self._reported < BETWEEN_REPORTS and progress != total:
            return
        self._reported = now
        await self.desk.emit(
            ToolProgress(call_id=self.call.id, done=progress, total=total, text=cleaned(message or ""))
        )
