"""A breaker per endpoint and model: after failures in a row it is left alone for a while, and nobody waits for it.

With each model on its own, one that is overloaded does not keep its fallbacks at the same endpoint from being asked.
"""

from __future__ import annotations

import asyncio

from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import OpenedState

from orchestrator.errors import ModelCut, ModelRefusedKey, ModelRejected, ModelResting
from orchestrator.messages import Answer, Request
from orchestrator.ports import Emit, Model

FAILURES, REST_SECONDS = 5, 30.0


class BreakingModel:
    """A `Model` around another that gives up at once while its endpoint rests."""

    def __init__(self, model: Model, endpoint: str, failures: int = FAILURES, rest: float = REST_SECONDS) -> None:
        self._model = model
        self._endpoint = endpoint or "The model's provider"
        self._rest = rest
        self._breakers = AsyncCircuitBreakerFactory(
            default_threshold=failures,
            default_ttl=rest,
            # These say nothing about the endpoint's health; and a turn may be cancelled.
            exclude=[ModelRefusedKey, ModelRejected, ModelCut, asyncio.CancelledError],
        )

    async def ask(self, request: Request, emit: Emit) -> Answer:
        breaker = await self._breakers.get_breaker(f"{request.model} at {self._endpoint}")
        try:
            async with breaker:
                return await self._model.ask(request, emit)
        except OpenedState as resting:
            advice = f"It is asked again after {self._rest:g} s; `orchestrator doctor` tries it at once."
            raise ModelResting(
                f"{request.model} at {self._endpoint} failed several times in a row and is left alone.", advice
            ) from resting
