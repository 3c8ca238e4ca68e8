"""A `Model` that says of its answers that the simulator gave them, so that nobody takes their tokens for money."""

from __future__ import annotations

from orchestrator.messages import Answer, Request
from orchestrator.ports import Emit, Model


class SimulatedModel:
    """Answers as `model` does, under the name `simulator (…)`, which has no price."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def ask(self, request: Request, emit: Emit) -> Answer:
        """Return the answer. Raises `ModelError` as the model does."""
        answer = await self._model.ask(request, emit)
        return answer.model_copy(update={"model": f"simulator ({answer.model})"})
