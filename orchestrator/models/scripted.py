"""A model that says what it was told to say: the fake that ships with the `Model` seam."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from orchestrator.errors import ModelError
from orchestrator.events import TextDelta
from orchestrator.messages import Answer, Call, Message, Request, Text, Usage
from orchestrator.ports import Emit

Line = Answer | ModelError | Callable[[Request], Answer | ModelError | Awaitable[Answer]]


class ScriptedModel:
    """Answers with the next line of its script, and keeps the requests it was sent."""

    def __init__(self, *script: Line) -> None:
        self._script = iter(script)
        self.requests: list[Request] = []

    async def ask(self, request: Request, emit: Emit) -> Answer:
        self.requests.append(request)
        line = next(self._script, None) or says("I have nothing more to say.")
        if callable(line):
            line = line(request)
        if isinstance(line, ModelError):
            raise line
        answer = line if isinstance(line, Answer) else await line
        if answer.message.text:
            await emit(TextDelta(text=answer.message.text))
        return answer


def says(text: str) -> Answer:
    """Return an answer of words alone, the model's last."""
    message = Message(role="assistant", content=(Text(text=text),))
    return Answer(message=message, stop="done", usage=Usage(input_tokens=1, output_tokens=1), model="scripted")


def asks(calls: Iterable[Call], text: str = "") -> Answer:
    """Return an answer that asks for these calls, after some words."""
    words = (Text(text=text),) if text else ()
    message = Message(role="assistant", content=(*words, *calls))
    return Answer(message=message, stop="calls", usage=Usage(input_tokens=1, output_tokens=1), model="scripted")
