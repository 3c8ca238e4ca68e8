"""Turns as tasks of this process, all owned by one task group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

RunTurn = Callable[[str, str], Awaitable[None]]
"""Runs the turn of a conversation (conversation id, turn id) to its end; being cancelled means: the user stopped it."""


@dataclass
class _Running:
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)


class LocalEngine:
    """`ports.Engine` within one process. Leaving the task group leaves turns open; they can be resumed."""

    def __init__(self, tasks: TaskGroup, run_turn: RunTurn) -> None:
        self._tasks = tasks
        self._run_turn = run_turn
        self._running: dict[str, _Running] = {}

    async def submit(self, conversation_id: str, turn_id: str) -> None:
        if turn_id in self._running:
            return
        self._running[turn_id] = _Running()
        self._tasks.start_soon(self._run, conversation_id, turn_id, name=f"turn {turn_id}")

    async def cancel(self, turn_id: str) -> None:
        if running := self._running.get(turn_id):
            running.scope.cancel()
            await running.ended.wait()

    async def _run(self, conversation_id: str, turn_id: str) -> None:
        running = self._running[turn_id]
        try:
            with running.scope:
                await self._run_turn(conversation_id, turn_id)
        finally:
            del self._running[turn_id]
            running.ended.set()
