"""Ask another model when one cannot answer, or will not: overloaded, out of reach, refusing. Each change is shown."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.errors import ModelOverloaded, ModelUnreachable
from orchestrator.events import AnswerRetried
from orchestrator.messages import Answer, Request, Spent
from orchestrator.ports import Emit, Model


class FallbackModel:
    """A `Model` around another, which is asked for the models in `names` when the one of the request fails."""

    def __init__(self, model: Model, names: Sequence[str]) -> None:
        self._model = model
        self._names = tuple(names)

    async def ask(self, request: Request, emit: Emit) -> Answer:
        others = [name for name in self._names if name != request.model]
        refused: tuple[Spent, ...] = ()
        for attempt, following in enumerate([*others, None], start=1):
            try:
                answer = await self._model.ask(request, emit)
                answer = answer.model_copy(update={"beside": (*refused, *answer.beside)})
            except (ModelOverloaded, ModelUnreachable) as error:
                if following is None:
                    raise
                why = error.message
            else:
                if answer.stop != "refused" or following is None:
                    return answer
                refused = (*answer.beside, Spent(model=answer.model, usage=answer.usage))
                why = f"{request.model} refused to answer."
            await emit(AnswerRetried(attempt=attempt, why=f"{why} Asking {following} instead.", seconds=0.0))
            request = request.model_copy(update={"model": following})
        raise AssertionError("the last model's answer or error is everybody's")
