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
        beside = tuple(one.model_copy(update={"model": named(one.model)}) for one in answer.beside)
        return answer.model_copy(update={"model": named(answer.model), "beside": beside})


def named(model: str) -> str:
    """Return the name under which the simulator's answers are kept."""
    return f"simulator ({model})"
