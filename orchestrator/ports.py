"""Every seam of the house on one page. Each has at least two implementations, one of them fit for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from pydantic import JsonValue

from orchestrator.events import DurableEvent, LiveEvent, QuestionAnswered, QuestionAsked, Recorded
from orchestrator.messages import Answer, Call, Request, Result, Tool

Emit = Callable[[DurableEvent | LiveEvent], Awaitable[None]]
"""The one way to tell that something happened; returns when it is on disk (durable) or shown (live)."""


class Model(Protocol):
    """Answers requests."""

    async def ask(self, request: Request, emit: Emit) -> Answer:
        """Stream deltas to `emit` and return the answer. Raises `ModelError`; a broken answer is dropped whole."""
        ...


class Desk(Protocol):
    """Where a running call reports its progress and asks the user."""

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        """Tell that something happened."""
        ...

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        """Show a server's question to the user and wait for the answer, however long that takes."""
        ...


ServerState = Literal["starting", "ready", "failed", "stopped"]


@dataclass(frozen=True)
class ServerStatus:
    """How a server is doing. `problem` says phase, command, exit code, last stderr lines and what to do; else empty."""

    name: str
    state: ServerState
    tools: int = 0
    seconds: float = 0.0
    """How long it has been in this state, or took to become ready."""
    problem: str = ""
    protocol: str = ""
    required: bool = False


class Toolbox(Protocol):
    """The tools of all servers, whatever state the servers are in."""

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools that can be offered now, sorted by name."""
        ...

    def servers(self) -> tuple[ServerStatus, ...]:
        """Return how each configured server is doing, in the order of the config."""
        ...

    async def settled(self, seconds: float) -> None:
        """Return as soon as every server is ready or has failed, or after `seconds`."""
        ...

    async def known(self, seconds: float) -> None:
        """Return as soon as it is known what every server offers, or that it failed.

        What a server offered last time counts as known; and no server is waited for that began to start more than
        `seconds` ago.
        """
        ...

    async def call(self, call: Call, desk: Desk) -> Result:
        """Run one call. A failure, a time-out, a dead server, an unknown tool is a `Result` with `is_error`; only being
        cancelled raises, and the server is told."""
        ...


@dataclass(frozen=True)
class Verdict:
    """Whether a call may run, and the rule or person that says so. For a refusal `why` is what the model reads."""

    allowed: bool
    why: str
    arguments: dict[str, JsonValue] | None = None
    """The arguments to call it with, if a human changed them."""


class Gate(Protocol):
    """Decides whether a call may run, by rule or by asking a human."""

    async def allows(self, call: Call, tool: Tool) -> Verdict:
        """Return the verdict, after waiting for a human if the rules say so."""
        ...


@dataclass(frozen=True)
class TurnRef:
    """A claim on a turn: whoever holds the highest epoch may write."""

    conversation_id: str
    turn_id: str
    epoch: int


@dataclass(frozen=True)
class Head:
    """A conversation in a list."""

    id: str
    title: str
    """The first words of the user."""
    created: datetime
    updated: datetime
    turns: int
    open_turn: str = ""
    """The id of the turn that is not finished, if there is one."""
    parent: str = ""
    """The conversation it was forked from."""
    owner: str = ""
    """Which process runs the open turn, as it named itself when it claimed it."""


@dataclass(frozen=True)
class Hit:
    """A place where something was said: `snippet` holds the words around it, what was found between « and »."""

    conversation_id: str
    title: str
    seq: int
    kind: Literal["user", "assistant", "tool"]
    snippet: str


class Store(Protocol):
    """Keeps the durable events of conversations, and nothing else."""

    async def create(self, conversation_id: str) -> None:
        """Make an empty conversation. Raises `Conflict` if the id is taken."""
        ...

    async def heads(self, limit: int = 50) -> list[Head]:
        """Return the conversations, last touched first."""
        ...

    async def head(self, conversation_id: str) -> Head:
        """Return one conversation's head. Raises `NotFound`."""
        ...

    async def events(self, conversation_id: str, after: int = 0) -> list[Recorded]:
        """Return the events with a greater number, in order. Raises `NotFound`."""
        ...

    async def begin(self, conversation_id: str, turn_id: str, owner: str, started: DurableEvent) -> Recorded:
        """Open a turn and return its first event as recorded.

        To write on, claim the turn. Raises `NotFound`, and `Conflict` if another turn is open.
        """
        ...

    async def claim(self, conversation_id: str, turn_id: str, owner: str) -> TurnRef:
        """Take an open turn over: from now on only the new claim can write.

        Raises `NotFound`, and `Conflict` if the turn is over.
        """
        ...

    async def append(self, turn: TurnRef, events: Sequence[DurableEvent]) -> list[Recorded]:
        """Store the events in one transaction and return them with their numbers.

        What is already recorded under the same key is left out (a safe retry). `TurnFinished` closes the turn.
        Raises `Fenced` if another owner took the turn over or it is finished, `StoreError` if the disk fails.
        """
        ...

    async def search(self, text: str, limit: int = 20, results: bool = False) -> list[Hit]:
        """Return where all words of `text` were said (each may be the beginning of a word), the newest first.

        Looks through what user and assistant said, or, if `results`, through what tools returned.
        """
        ...

    async def fork(self, conversation_id: str, new_id: str, upto: int) -> None:
        """Copy a conversation with its events up to that number. Raises `NotFound`, `Conflict` if `new_id` is taken."""
        ...

    async def delete(self, conversation_id: str) -> None:
        """Forget a conversation. Raises `NotFound`, and `Conflict` while a turn is open."""
        ...

    async def close(self) -> None:
        """Let go of files and threads; what was acknowledged is on disk."""
        ...


class Engine(Protocol):
    """Runs turns, each at least once; the journal makes it safe."""

    async def submit(self, conversation_id: str, turn_id: str) -> None:
        """See to it that the turn runs; return at once."""
        ...

    async def cancel(self, turn_id: str) -> None:
        """Stop the turn if it runs here, and wait until it has ended."""
        ...


class Feed(Protocol):
    """Live events to whoever watches."""

    def publish(self, recorded: Recorded) -> None:
        """Hand an event to the conversation's watchers; never waits for a slow one."""
        ...

    def watch(self, conversation_id: str) -> AbstractAsyncContextManager[AsyncIterator[Recorded]]:
        """Return the events from now on; leaving the context ends it."""
        ...
