"""One thread that writes to SQLite for many callers: what arrives together shares one commit, so one fsync.

A job is a function of the connection. It runs in its own savepoint, so one job that fails takes no other with it; its
caller gets the result only after the commit, when it is on disk.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import apsw

T = TypeVar("T")

MOST_PER_COMMIT = 256


class Job:
    """A function of the connection, and where its result goes."""

    def __init__(self, work: Callable[[apsw.Connection], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()
        self.outcome: tuple[Any, BaseException | None] = (None, None)

    def attempt(self, database: apsw.Connection) -> None:
        """Run the work in its own savepoint and remember what came of it."""
        try:
            with database:
                self.outcome = (self.work(database), None)
        except Exception as error:  # noqa: BLE001 - it belongs to the caller, who gets it through the future
            self.outcome = (None, error)

    def settle(self, failure: BaseException | None = None) -> None:
        """Hand the outcome to the caller."""
        result, error = self.outcome
        if failure or error:
            self.future.set_exception(failure or error)
        else:
            self.future.set_result(result)


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
        return await asyncio.wrap_future(job.future)

    def close(self) -> None:
        """Finish what was asked for, then close the database."""
        self._jobs.put(None)
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        while True:
            batch, last = self._batch()
            batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if batch:
                self._commit(batch)
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
        failure: BaseException | None = None
        try:
            self._database.execute("begin immediate")
            for job in batch:
                job.attempt(self._database)
            self._database.execute("commit")
        except apsw.Error as error:
            failure = error
            if self._database.in_transaction:
                self._database.execute("rollback")
        for job in batch:
            job.settle(failure)
