"""Desks for tests: one that nobody sits at, one where somebody answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import anyio
from pydantic import JsonValue

from orchestrator.events import DurableEvent, LiveEvent, QuestionAnswered, QuestionAsked


class QuietDesk:
    """Remembers what was told, and declines every question."""

    def __init__(self) -> None:
        self.events: list[DurableEvent | LiveEvent] = []
        self.questions: list[QuestionAsked] = []

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        self.events.append(event)

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        self.questions.append(question)
        return QuestionAnswered(question_id=question.question_id, action="decline")


class AnsweringDesk(QuietDesk):
    """Answers every question the same way, after `seconds` of thinking."""

    def __init__(
        self,
        values: Mapping[str, JsonValue],
        *,
        action: Literal["accept", "decline", "cancel"] = "accept",
        seconds: float = 0,
    ) -> None:
        super().__init__()
        self._values = dict(values)
        self._action: Literal["accept", "decline", "cancel"] = action
        self._seconds = seconds

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        self.questions.append(question)
        await anyio.sleep(self._seconds)
        return QuestionAnswered(question_id=question.question_id, action=self._action, values=self._values)
