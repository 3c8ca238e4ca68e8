"""The seam between a connection and what is spoken over it: a session that is open until it is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from orchestrator.messages import Result
from orchestrator.tools.errands import Errand
from orchestrator.tools.manifest import Manifest
from orchestrator.tools.problems import Problem


class Broken(Exception):
    """A session could not be opened, or ended by itself."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


class CallLost(Exception):
    """The session ended with a call under way. `unsent` says that the server cannot have run it."""

    def __init__(self, unsent: bool) -> None:
        super().__init__("the connection was lost")
        self.unsent = unsent


class Session(Protocol):
    """One live session with one server."""

    @property
    def manifest(self) -> Manifest:
        """What the server offers at this moment."""
        ...

    async def call(self, errand: Errand, tool: str) -> Result:
        """Run one call, with its questions. Raises `CallLost`; a refusal by the server is a result."""
        ...

    async def over(self) -> None:
        """Return when nothing more will come from the server."""
        ...

    def suspect(self) -> None:
        """Find out, in the background, whether the server still answers at all; if not, the session is over."""
        ...


Relisted = Callable[[Manifest], Awaitable[None]]
"""Told whenever the server's list of tools has changed."""

Dial = Callable[[Manifest, Relisted], AbstractAsyncContextManager[Session]]
"""Opens a session, knowing what the server was like before. Entering and leaving it raise `Broken`."""
