"""Ask again when a provider is overloaded, cannot be reached, or breaks off; each time shown, within a budget."""

from __future__ import annotations

import stamina

from orchestrator.errors import ModelCut, ModelError, ModelOverloaded, ModelResting, ModelUnreachable
from orchestrator.events import AnswerRetried
from orchestrator.messages import Answer, Request
from orchestrator.ports import Emit, Model

LONGEST_WAIT = 60.0
"""A `retry-after` above this many seconds is not waited for: the user is told instead."""


class RetryingModel:
    """A `Model` around another: the same answers, with patience."""

    def __init__(self, model: Model, *, attempts: int = 4, first_wait: float = 0.5) -> None:
        self._model = model
        self._attempts = attempts
        self._first_wait = first_wait

    async def ask(self, request: Request, emit: Emit) -> Answer:
        attempts = stamina.retry_context(
            on=worth_waiting,
            attempts=self._attempts,
            timeout=None,
            wait_initial=self._first_wait,
            wait_max=8.0,
            wait_jitter=self._first_wait,
        )
        async for attempt in attempts:
            with attempt:
                try:
                    return await self._model.ask(request, emit)
                except ModelError as error:
                    if (wait := worth_waiting(error)) is not False and attempt.num < self._attempts:
                        seconds = attempt.next_wait if wait is True else float(wait)
                        await emit(AnswerRetried(attempt=attempt.num, why=error.message, seconds=seconds))
                    raise
        raise AssertionError("stamina gives at least one attempt")


def worth_waiting(error: Exception) -> bool | float:
    """Return whether to ask again: no, yes, or after that many seconds."""
    if isinstance(error, ModelResting):
        return False
    if isinstance(error, ModelOverloaded) and error.retry_after:
        return error.retry_after if error.retry_after <= LONGEST_WAIT else False
    return isinstance(error, ModelOverloaded | ModelUnreachable | ModelCut)
