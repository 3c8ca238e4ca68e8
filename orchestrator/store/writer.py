"""One thread that writes to SQLite for many callers: what arrives together shares one commit, so one fsync.

A job is a function of the connection. It runs in its own savepoint, so one job that fails takes no other with it; its
caller gets the result only after the commit, when it is on disk. All callers of a commit are woken by one call.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import apsw

T = TypeVar("T")

MOST_PER_COMMIT = 256


class Job:
    """A function of the connection, and the caller who waits for its result."""

    def __init__(self, work: Callable[[apsw.Connection], Any]) -> None:
        self.work = work
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def attempt(self, database: apsw.Connection) -> None:
        """Run the work in its own savepoint and remember what came of it."""
        try:
            with database:
                self.result = self.work(database)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the caller, who gets it
            self.error = error

    def settle(self) -> None:
        """Hand the outcome to the caller, in the caller's own thread; one that was cancelled has left."""
        if self.future.done():
            return
        if self.error:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Writer:
    """The only one who writes to `database`."""

    def __init__(self, database: apsw.Connection) -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run `work` and return its result once it is on disk."""
        job = Job(work)
        self._jobs.put(job)
        return await job.future

    def close(self) -> None:
        """Finish what was asked for, then close the database."""
        self._jobs.put(None)
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        while True:
            batch, last = self._batch()
            if batch:
                self._commit(batch)
                wake(batch)
            if last:
                return

    def _batch(self) -> tuple[list[Job], bool]:
        """Wait for a job, and take those that wait behind it; true if the end was among them."""
        batch: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == MOST_PER_COMMIT or self._jobs.empty():
                return batch, False
            job = self._jobs.get()
        return batch, True

    def _commit(self, batch: list[Job]) -> None:
        try:
            self._database.execute("begin immediate")
            for job in batch:
                job.attempt(self._database)
                if not self._database.in_transaction:  # a failing disk makes SQLite undo all of it
                    raise job.error or apsw.AbortError("the transaction was undone")
            self._database.execute("commit")
        except Exception as error:  # noqa: BLE001 - nothing of the batch is on disk, and each caller must hear it
            for job in batch:
                job.error = error
            with contextlib.suppress(apsw.Error):
                if self._database.in_transaction:
                    self._database.execute("rollback")


def wake(batch: list[Job]) -> None:
    """Settle the jobs, each in the event loop of its caller; a loop that is closed has nobody left to tell."""

    def settle(jobs: list[Job]) -> None:
        for job in jobs:
            job.settle()

    for loop in {job.future.get_loop() for job in batch}:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, [job for job in batch if job.future.get_loop() is loop])
