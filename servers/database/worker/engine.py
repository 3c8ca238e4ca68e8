"""Engines that live in worker processes: a few processes per database, each serving one call at a time.

A statement that does not end when the engine is told to stop (one call of a function can run for minutes) loses its
process; the next call gets a new one. Memory is bounded by the process, crashes stay inside it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from servers.database.engine import Answer, Change, Found, Outcome, Plan, Search, Statement, Table, Window
from servers.database.errors import KINDS, DatabaseError, TooSlow, Unavailable
from servers.database.stopping import run_stoppable
from servers.database.worker.process import Worker
from servers.database.worker.session import Opening

GRACE = 0.25
"""Seconds between asking an engine to stop and killing its process."""
SIDE_BY_SIDE = 4
OPENING_SECONDS = 20.0
"""What a process may take to start and to open its database."""

T = TypeVar("T")
ANSWER, PLAN, OUTCOME = TypeAdapter(Answer), TypeAdapter(Plan), TypeAdapter(Outcome)
NOTHING: TypeAdapter[None] = TypeAdapter(None)
FOUND, TABLES, TEXT = TypeAdapter(list[Found]), TypeAdapter(list[Table]), TypeAdapter(str)


class WorkerEngine:
    """An embedded database behind the `Engine` seam. Processes start with the first call."""

    def __init__(self, opening: Opening, default_schema: str, seconds: float) -> None:
        self.opening = opening
        self.dialect: str = opening.dialect
        self.default_schema = default_schema
        self.seconds = seconds
        self.idle: list[Worker] = []
        self.places = anyio.CapacityLimiter(SIDE_BY_SIDE)
        self.threads = anyio.CapacityLimiter(2 * SIDE_BY_SIDE)  # a call, and the one that stops it

    async def query(self, statement: Statement, window: Window) -> Answer:
        """See `Engine`."""
        return await self.ask(ANSWER, "query", statement, window)

    async def explain(self, statement: Statement, analyze: bool) -> Plan:
        """See `Engine`."""
        return await self.ask(PLAN, "explain", statement, analyze)

    async def execute(self, change: Change) -> Outcome:
        """See `Engine`."""
        return await self.ask(OUTCOME, "execute", change)

    async def find(self, search: Search) -> list[Found]:
        """See `Engine`."""
        return await self.ask(FOUND, "find", search)

    async def describe(self, tables: Sequence[tuple[str, str]]) -> list[Table]:
        """See `Engine`."""
        return await self.ask(TABLES, "describe", list(tables))

    async def sample(self, table: tuple[str, str], rows: int) -> str:
        """See `Engine`."""
        return await self.ask(TEXT, "sample", table, rows)

    async def aclose(self) -> None:
        """See `Engine`."""
        while self.idle:
            self.idle.pop().close()

    async def ask(self, kind: TypeAdapter[T], act: str, *arguments: object) -> T:
        """Return what a worker answers to one call; it is stopped when this is cancelled or takes too long."""
        async with self.worker() as worker:
            if worker.fresh:
                await self.opened(worker)
            ended = anyio.Event()

            async def work() -> bytes:
                try:
                    return await anyio.to_thread.run_sync(worker.ask, act, *arguments, limiter=self.threads)
                finally:
                    ended.set()

            async def stop() -> None:
                await anyio.to_thread.run_sync(worker.stop, limiter=self.threads)
                with anyio.move_on_after(GRACE):
                    await ended.wait()
                if not ended.is_set():
                    worker.kill()

            reply = await run_stoppable(work, stop, self.seconds)
        return decoded(kind, reply)

    async def opened(self, worker: Worker) -> None:
        """Wait until a new worker has opened its database; the time of a statement does not run yet."""

        async def work() -> bytes:
            return await anyio.to_thread.run_sync(worker.open, limiter=self.threads)

        async def stop() -> None:
            worker.kill()

        try:
            reply = await run_stoppable(work, stop, OPENING_SECONDS)
        except TooSlow:
            raise Unavailable("The database takes too long to open. Try again, or ask the operator.") from None
        decoded(NOTHING, reply)

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[Worker]:
        """Lend a worker; it comes back if it is alive and its call has ended."""
        async with self.places:
            worker = self.rested() or await self.started()
            try:
                yield worker
            finally:
                if worker.alive:
                    self.idle.append(worker)
                else:
                    worker.close()

    async def started(self) -> Worker:
        """Start a worker. Not cancelled half way: a process that was started must be known, to be ended."""
        workers: list[Worker] = []
        with anyio.CancelScope(shield=True):
            workers.append(await anyio.to_thread.run_sync(Worker, self.opening, limiter=self.threads))
        return workers[0]

    def rested(self) -> Worker | None:
        """Return a worker that waits for work, if there is one."""
        while self.idle:
            worker = self.idle.pop()
            if worker.alive:
                return worker
            worker.close()
        return None


def decoded(kind: TypeAdapter[T], reply: bytes) -> T:
    """Return the value in a reply. Raises the error it reports."""
    message: dict[str, Any] = from_json(reply)
    if "code" in message:
        raise KINDS.get(message["code"], DatabaseError)(message["text"])
    try:
        return kind.validate_python(message["done"])
    except ValidationError as wrong:
        raise Unavailable("The worker process of this database answered nonsense.") from wrong
