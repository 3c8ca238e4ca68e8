"""Message batches: many requests at half the price, their results as JSONL.

What a batch is doing follows from the clock: it is in progress for `Settings.batch_seconds`, then it has ended; after a
day it expires. Its requests are answered when the results are first read, the last one first, since results come in no
order.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field, ValidationError

from simulator import parsing
from simulator.buckets import rfc3339
from simulator.errors import Refused
from simulator.reply import new_id
from simulator.shapes import Json, Shape

COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")
DAY = 24 * 3600.0
MOST = 100_000

Answering = Callable[[Json], Awaitable[Json]]
"""Returns the result of one request's parameters: `succeeded` or `errored`."""


class One(Shape):
    """One request of a batch."""

    custom_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    params: Json


class Create(Shape):
    """The body that creates a batch."""

    requests: Annotated[list[One], Field(min_length=1, max_length=MOST)]


@dataclass
class Batch:
    """One batch; `canceled` is when its end was asked for."""

    id: str
    requests: tuple[One, ...]
    created: float
    seconds: float
    canceled: float | None = None
    results: dict[str, Json] = field(default_factory=dict[str, Json])

    @property
    def ends(self) -> float:
        """When it has ended: done, canceled or expired."""
        whole = self.created + min(self.seconds, DAY)
        return whole if self.canceled is None else min(whole, self.canceled)

    def outcome(self) -> str:
        """Return what became of the requests that were not answered in time."""
        if self.canceled is not None and self.canceled < self.created + min(self.seconds, DAY):
            return "canceled"
        return "expired" if self.seconds > DAY else "succeeded"

    def described(self, now: float, base: str) -> Json:
        """Return it as the Batches API describes it; `base` is the address of this simulator."""
        ended = now >= self.ends
        counts: dict[str, int] = dict.fromkeys(COUNTS, 0)
        counts[self.outcome() if ended else "processing"] = len(self.requests)
        for result in self.results.values():
            if result["type"] == "errored":
                counts["succeeded"] -= 1
                counts["errored"] += 1
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if ended else "in_progress",
            "request_counts": counts,
            "created_at": rfc3339(self.created),
            "expires_at": rfc3339(self.created + DAY),
            "ended_at": rfc3339(self.ends) if ended else None,
            "cancel_initiated_at": rfc3339(self.canceled) if self.canceled is not None else None,
            "archived_at": None,
            "results_url": f"{base}/v1/messages/batches/{self.id}/results" if ended else None,
        }


class Batches:
    """The batches of one simulator."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._batches: dict[str, Batch] = {}

    def create(self, body: Json, now: float) -> Batch:
        """Return a new batch. Raises `Refused` for a body that is none, or ids that are there twice."""
        try:
            parsed = Create.model_validate(body)
        except ValidationError as wrong:
            raise Refused(parsing.words(wrong)) from None
        ids = [one.custom_id for one in parsed.requests]
        if len(set(ids)) != len(ids):
            raise Refused("requests: custom_id must be unique within a batch")
        batch = Batch(new_id("msgbatch"), tuple(parsed.requests), now, self._seconds)
        self._batches[batch.id] = batch
        return batch

    def get(self, batch_id: str) -> Batch:
        """Return a batch. Raises `Refused` (404)."""
        if batch_id not in self._batches:
            raise Refused(f"Message batch not found: {batch_id}", status=404)
        return self._batches[batch_id]

    def all(self) -> list[Batch]:
        """Return all batches, newest first."""
        return list(reversed(self._batches.values()))

    def cancel(self, batch_id: str, now: float) -> Batch:
        """Return a batch that will go no further. Raises `Refused` if it has ended."""
        batch = self.get(batch_id)
        if now >= batch.ends:
            raise Refused(f"Batch {batch_id} cannot be canceled because it has already ended.")
        batch.canceled = now
        return batch

    def remove(self, batch_id: str, now: float) -> Json:
        """Forget a batch. Raises `Refused` while it is in progress."""
        if now < self.get(batch_id).ends:
            raise Refused(f"Batch {batch_id} cannot be deleted while it is being processed; cancel it first.")
        del self._batches[batch_id]
        return {"id": batch_id, "type": "message_batch_deleted"}

    async def results(self, batch_id: str, now: float, answer: Answering) -> AsyncIterator[bytes]:
        """Yield the lines of a batch's results, out of order. Raises `Refused` before its end."""
        batch = self.get(batch_id)
        if now < batch.ends:
            raise Refused(f"Batch {batch_id} has no results yet: it is still being processed.", status=404)
        for one in reversed(batch.requests):
            if one.custom_id not in batch.results:
                kind = batch.outcome()
                batch.results[one.custom_id] = await answer(one.params) if kind == "succeeded" else {"type": kind}
            line = {"custom_id": one.custom_id, "result": batch.results[one.custom_id]}
            yield json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
