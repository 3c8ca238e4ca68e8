"""What every door calls: start a turn, resume it, cancel it, decide, answer, watch, look things up."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar, cast

import anyio
from pydantic import JsonValue

from orchestrator import turn
from orchestrator.conversation import fold
from orchestrator.errors import Conflict, Fenced, NotFound, OrchestratorError, StoreError, UsageError
from orchestrator.events import (
    EVENT,
    ApprovalResolved,
    DurableEvent,
    QuestionAnswered,
    Recorded,
    TurnFinished,
    TurnStarted,
)
from orchestrator.journal import Journal
from orchestrator.messages import Image, Text
from orchestrator.policy.rules import Rule
from orchestrator.ports import Engine, Feed, Head, Hit, Store

log = logging.getLogger(__name__)
Said = TypeVar("Said", bound=TurnStarted | ApprovalResolved | QuestionAnswered)

ALL = 2**53
"""More events than a conversation has."""
BUG = "This program failed; the log has the details."


@dataclass(frozen=True)
class Started:
    """A turn that runs. Watching the conversation after `seq` shows all of it."""

    conversation_id: str
    turn_id: str
    seq: int


class Conversations:
    """All conversations of one store.

    `crew` says who takes part in the turn of a journal, `owner` how this process names itself when it claims a turn,
    `alive` whether another process still runs (its open turns are not touched), and `keep` keeps a rule that was given.
    """

    def __init__(
        self,
        store: Store,
        feed: Feed,
        crew: Callable[[Journal], turn.Crew],
        owner: str = "me",
        alive: Callable[[str], bool] = lambda _: False,
        keep: Callable[[Rule], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._feed = feed
        self._crew = crew
        self._owner = owner
        self._alive = alive
        self._keep = keep
        self._open: dict[str, Journal] = {}
        self._claiming = anyio.Lock()
        self.engine: Engine | None = None

    async def start_turn(
        self, content: Sequence[Text | Image], conversation_id: str | None = None, model: str = ""
    ) -> Started:
        """Record the user's message and set its turn going; a new conversation if none is named.

        `model` is a model's name or kind (`fast`, `deep`), for this turn and the ones after it.
        Raises `UsageError` for a message that is empty or no text, `NotFound`, and `Conflict` while a turn is open.
        """
        if not any(not isinstance(part, Text) or part.text.strip() for part in content):
            raise UsageError("The message is empty.", "Say something, and nothing was sent.")
        started = storable(TurnStarted(content=tuple(content), model=model))
        if conversation_id is None:
            conversation_id = new_id("c")
            await self._store.create(conversation_id)
        return await self._begin(conversation_id, started)

    async def resume(self, conversation_id: str, take_over: bool = False) -> Started | None:
        """Go on with what is unfinished: the open turn, or a message that got no answer. None if there is nothing.

        Raises `NotFound`, and `Conflict` if the turn is at work in another process, unless `take_over`: then that
        process can write no more, and calls that it has under way are of unknown outcome.
        """
        head = await self._store.head(conversation_id)
        if head.open_turn:
            if take_over:  # at once, so that a decision that comes before the turn runs here is ours to make
                await self._store.claim(conversation_id, head.open_turn, self._owner)
            else:
                self._touch(head)
            events = await self._store.events(conversation_id)
            first = next(event.seq for event in events if event.turn_id == head.open_turn)
            await self._submit(conversation_id, head.open_turn)
            return Started(conversation_id, head.open_turn, first - 1)
        if fold(conversation_id, await self._store.events(conversation_id)).unanswered:
            return await self._begin(conversation_id, TurnStarted())
        return None

    async def cancel(self, conversation_id: str) -> None:
        """Stop the open turn, wherever it stands. Raises `NotFound`, and `Conflict` if none is open."""
        turn_id = await self._open_turn(conversation_id)
        if self.engine:
            await self.engine.cancel(turn_id)
        finished = TurnFinished(reason="cancelled", detail="Cancelled by the user.")
        await self._write(conversation_id, turn_id, finished)

    async def decide(
        self,
        conversation_id: str,
        call_id: str,
        allowed: bool,
        note: str = "",
        arguments: dict[str, JsonValue] | None = None,
        rule: Rule | None = None,
        by: Literal["user", "automatic"] = "user",
    ) -> None:
        """Answer an approval; with `arguments` instead of the model's, and with a `rule` for the calls to come.

        `by` is `automatic` where nobody was there to be asked.

        Raises `NotFound`, `Conflict` if nothing waits for it, and `ConfigError` if the rule cannot be kept.
        """
        if rule is not None:
            self._keep(rule)
        given = str(rule) if rule else ""
        event = ApprovalResolved(call_id=call_id, allowed=allowed, note=note, arguments=arguments, rule=given, by=by)
        await self._reply(conversation_id, event)

    async def answer(
        self,
        conversation_id: str,
        question_id: str,
        action: Literal["accept", "decline", "cancel"],
        values: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Answer a server's question. Raises `NotFound`, and `Conflict` if nothing waits for it."""
        event = QuestionAnswered(question_id=question_id, action=action, values=dict(values or {}))
        await self._reply(conversation_id, event)

    @asynccontextmanager
    async def watch(self, conversation_id: str, after: int = 0) -> AsyncGenerator[AsyncIterator[Recorded]]:
        """Give what was recorded after `after`, then what happens, each durable event once. It never ends by itself."""

        async def everything(live: AsyncIterator[Recorded]) -> AsyncGenerator[Recorded]:
            seq = after
            for recorded in await self._store.events(conversation_id, after):
                seq = recorded.seq
                yield recorded
            async for recorded in live:
                if recorded.event.live or recorded.seq == 0 or recorded.seq > seq:
                    seq = max(seq, recorded.seq)
                    yield recorded

        async with self._feed.watch(conversation_id) as live:  # first the live ones, so that none is missed between
            events = everything(live)
            try:
                yield events
            finally:
                await events.aclose()

    async def heads(self, limit: int = 50) -> list[Head]:
        """Return the conversations, last touched first."""
        return await self._store.heads(limit)

    async def events(self, conversation_id: str) -> list[Recorded]:
        """Return all that was recorded. Raises `NotFound`."""
        return await self._store.events(conversation_id)

    async def search(self, text: str, limit: int = 20, results: bool = False) -> list[Hit]:
        """Return where all these words were said, the newest first; in what tools returned, if `results`."""
        return await self._store.search(text, limit, results)

    async def fork(self, conversation_id: str, upto: int | None = None) -> str:
        """Copy a conversation, up to an event's number or whole, and return the copy's id.

        A turn that is cut in the middle ends there in the copy; the original is as it was. Raises `NotFound`, and
        `UsageError` for a number that no event has.
        """
        if upto is not None and upto < 1:
            raise UsageError(f"There is no event {upto}: they are counted from 1.", "Name the last one to be copied.")
        new = new_id("c")
        await self._store.fork(conversation_id, new, ALL if upto is None else min(upto, ALL))
        if turn_id := (await self._store.head(new)).open_turn:
            await self._write(new, turn_id, TurnFinished(reason="cancelled", detail="Forked here."))
        return new

    async def delete(self, conversation_id: str) -> None:
        """Forget a conversation. Raises `NotFound`, and `Conflict` while a turn is open."""
        await self._store.delete(conversation_id)

    def elsewhere(self, head: Head) -> bool:
        """Whether the conversation's open turn is at work in another process that is alive."""
        return bool(head.open_turn) and head.owner != self._owner and self._alive(head.owner)

    async def find(self, name: str) -> Head:
        """Return the conversation with this id, with an id that begins so, or the `last` one. Raises `NotFound`."""
        heads = await self._store.heads(limit=10_000)
        matching = heads[:1] if name == "last" else [head for head in heads if head.id.startswith(name)]
        exact = [head for head in matching if head.id == name]
        if len(exact or matching) == 1:
            return (exact or matching)[0]
        what = f"{len(matching)} conversations begin with" if matching else "There is no conversation"
        raise NotFound(f"{what} {name!r}.", "See `orchestrator conversations list`.")

    async def run_turn(self, conversation_id: str, turn_id: str) -> None:
        """Run an open turn to its end: the task boundary, where a failure becomes an event."""
        try:
            async with self._claiming:
                journal = await Journal.claim(self._store, self._feed, conversation_id, turn_id, self._owner)
                self._open[turn_id] = journal
        except (Conflict, NotFound):
            return  # it ended, or was deleted, before it could be run
        except StoreError as error:
            log.error("turn %s cannot be run: %s", turn_id, error)
            return self._announce(conversation_id, turn_id, failed_by(error))
        try:
            await self._run(journal)
        finally:
            del self._open[turn_id]

    async def _run(self, journal: Journal) -> None:
        try:
            await turn.run(journal, self._crew(journal))
        except Exception as error:  # the task boundary: whatever happened, the turn must end
            failure = cause(error)
            if not isinstance(failure, OrchestratorError):
                log.error("turn %s failed", journal.turn.turn_id, exc_info=error)
            try:
                await journal.emit(failed_by(failure))
            except (Fenced, StoreError):  # it cannot be recorded here, but whoever watches must know
                log.warning("the end of turn %s is not recorded: %s", journal.turn.turn_id, failure)
                self._announce(journal.turn.conversation_id, journal.turn.turn_id, failed_by(failure))

    def _announce(self, conversation_id: str, turn_id: str, end: TurnFinished) -> None:
        """Show the watchers an end that cannot be recorded (the disk is full, another process has the turn)."""
        at = datetime.now(UTC)
        self._feed.publish(Recorded(conversation_id=conversation_id, turn_id=turn_id, seq=0, at=at, event=end))

    async def _begin(self, conversation_id: str, started: TurnStarted) -> Started:
        turn_id = new_id("t")
        first = await self._store.begin(conversation_id, turn_id, self._owner, started)
        self._feed.publish(first)
        await self._submit(conversation_id, turn_id)
        return Started(conversation_id, turn_id, first.seq - 1)

    async def _submit(self, conversation_id: str, turn_id: str) -> None:
        assert self.engine is not None, "open_app connects the engine"
        await self.engine.submit(conversation_id, turn_id)

    async def _reply(self, conversation_id: str, event: ApprovalResolved | QuestionAnswered) -> None:
        """Record a human's answer where the turn runs; a turn that runs nowhere is set going again."""
        turn_id = await self._open_turn(conversation_id)
        await self._write(conversation_id, turn_id, storable(event))
        await self._submit(conversation_id, turn_id)  # which does nothing where it runs already

    async def _write(self, conversation_id: str, turn_id: str, event: DurableEvent) -> None:
        try:
            async with self._claiming:  # a turn that is just being claimed to be run must not lose that claim to us
                journal = self._open.get(turn_id)
                if journal is None:
                    journal = await Journal.claim(self._store, self._feed, conversation_id, turn_id, self._owner)
                await journal.emit(event)
        except Conflict as error:
            raise Conflict(f"The turn of conversation {conversation_id} is over.", "There is nothing to do.") from error

    async def _open_turn(self, conversation_id: str) -> str:
        head = await self._store.head(conversation_id)
        if not head.open_turn:
            raise Conflict(f"No turn of conversation {conversation_id} is open.", "There is nothing to do.")
        self._touch(head)
        return head.open_turn

    def _touch(self, head: Head) -> None:
        """Raise `Conflict` if the open turn belongs to another process that is alive."""
        if self.elsewhere(head):
            window = f"Conversation {head.id} is at work in another window (process {head.owner.split('-')[0]})."
            frozen = (
                f"If that window is frozen, `orchestrator chat --resume {head.id} --take-over` takes the turn over."
            )
            raise Conflict(window, f"Wait for it there, or stop it there. {frozen}")


def storable(event: Said) -> Said:
    """Return what a person said. Raises `UsageError` if it would not come back from the journal as it is."""
    try:
        whole = EVENT.validate_json(EVENT.dump_json(event)) == event
    except ValueError:
        whole = False
    if not whole:
        raise UsageError("This holds half a character or an endless number, which cannot be kept.", "Say it without.")
    return event


def new_id(kind: str) -> str:
    """Return a new id: `c` for a conversation, `t` for a turn."""
    return f"{kind}_{uuid.uuid4().hex[:16]}"


def cause(error: BaseException) -> BaseException:
    """Return the error that counts among those of tasks that failed together: ours before bugs, the first of them."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    leaves = [cause(one) for one in group.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, OrchestratorError)), leaves[0])


def failed_by(failure: BaseException) -> TurnFinished:
    """Return the end of a turn that an error brought about."""
    if isinstance(failure, OrchestratorError):
        return TurnFinished(reason="failed", detail=str(failure), code=failure.code)
    return TurnFinished(reason="failed", detail=f"{BUG} ({type(failure).__name__})", code="bug")
