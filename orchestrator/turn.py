"""THE LOOP: ask the model, run the calls it asks for, until it has said its last word.

All state is the journal's fold, so starting, resuming after a crash, and going on after an approval are the same thing:
look at what happened, do what comes next. Nothing here remembers.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, count

import anyio
from pydantic import JsonValue

from orchestrator.conversation import UNKNOWN_OUTCOME, Conversation, PendingCall, Turn
from orchestrator.events import QuestionAsked, StepFinished, ToolFinished, ToolStarted, TurnEnd, TurnFinished
from orchestrator.journal import Journal
from orchestrator.messages import Block, Call, Message, Request, Result, Stop, Text, Tool, failed
from orchestrator.policy.limits import GO_ON, Reached, TurnLimits, circling, out_of_time, reached, too_many
from orchestrator.ports import Desk, Gate, Model, Toolbox

ENDS: dict[Stop, tuple[TurnEnd, str]] = {
    "done": ("done", ""),
    "length": ("length", "The answer reached the token limit. Ask to go on, or raise model.max_tokens."),
    "window": ("length", "The context window is full."),
    "refused": ("refused", "The model refused to answer."),
    "unknown": ("failed", "The model stopped for a reason that this version does not know."),
}


TOO_MANY = "not run: the turn has made as many calls as limits.max_calls allows."
CIRCLING = "The model makes the same calls again and again, and their results are the same."
UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
"""What the Messages API refuses in the id of a call."""
NO_LIMITS = TurnLimits()


@dataclass(frozen=True)
class Crew:
    """Who takes part in a turn."""

    model: Model
    toolbox: Toolbox
    gate: Gate
    desk: Desk
    plan: Callable[[Conversation, tuple[Tool, ...]], Request]
    limits: TurnLimits = NO_LIMITS
    start_seconds: float = 0.0
    """How long servers are waited for of which nothing is known yet."""


async def run(journal: Journal, crew: Crew) -> None:
    """Bring the open turn to its end.

    Raises `ModelError`, `StoreError`, `Fenced`; then the turn is still open and may be run again. Being cancelled
    leaves it open as well.
    """
    await crew.toolbox.known(crew.start_seconds)
    limit: Reached | None = None
    with journal.at_work(crew.limits.seconds) as work:
        limit = await work_on(journal, crew)
    if work.cancelled_caught:
        limit = out_of_time(crew.limits)
    if limit:
        return await journal.emit(TurnFinished(reason="limit", detail=limit.detail, code=limit.code))
    reason, detail = ENDS[open_turn(journal).stop or "done"]
    return await journal.emit(TurnFinished(reason=reason, detail=detail))


async def work_on(journal: Journal, crew: Crew) -> Reached | None:
    """Do what comes next until the model has said its last word, or return the limit that forbids it."""
    while not (turn := open_turn(journal)).answered:
        if turn.pending:
            await answer_calls(journal, crew, turn)
        elif limit := reached(turn, crew.limits):
            return limit
        elif circling(turn) and not await goes_on(crew, turn):
            return Reached("no_progress", CIRCLING)
        else:
            await ask_model(journal, crew, turn.steps + 1)
    return None


async def goes_on(crew: Crew, turn: Turn) -> bool:
    """Ask the user whether a turn that goes in circles shall go on."""
    question = QuestionAsked(question_id=f"{GO_ON}{turn.steps}", server="orchestrator", text=f"{CIRCLING} Go on?")
    return (await crew.desk.ask(question)).action == "accept"


async def ask_model(journal: Journal, crew: Crew, step: int) -> None:
    """One step: one request, one whole answer in the journal."""
    request = crew.plan(journal.conversation, crew.toolbox.tools())
    answer = await crew.model.ask(request, journal.emit)
    answer = answer.model_copy(update={"message": with_new_ids(answer.message, journal.conversation)})
    await journal.emit(StepFinished(step=step, **dict(answer)))


def with_new_ids(message: Message, conversation: Conversation) -> Message:
    """Return the message with an id of its own for every call, in letters that every provider takes.

    Some number them anew in each answer, some use letters that another one would refuse later in the same conversation.
    """
    used = {call.id for earlier in conversation.messages for call in earlier.calls}
    content: list[Block] = []
    for block in message.content:
        if isinstance(block, Call):
            name = UNFIT.sub("_", block.id) or "call"
            names = chain([name], (f"{name}-{number}" for number in count(2)))
            block = block.model_copy(update={"id": next(one for one in names if one not in used)})
            used.add(block.id)
        content.append(block)
    return message.model_copy(update={"content": tuple(content)})


async def answer_calls(journal: Journal, crew: Crew, turn: Turn) -> None:
    """Give every pending call its result, all at the same time; those beyond the limit of calls are not run."""
    beyond = too_many(turn, crew.limits)
    async with anyio.create_task_group() as tasks:
        for one in turn.pending:
            if one in beyond:
                await journal.emit(ToolFinished(call_id=one.call.id, result=failed(one.call.id, TOO_MANY)))
            else:
                tasks.start_soon(answer_call, journal, crew, one, name=f"call {one.call.id}")


async def answer_call(journal: Journal, crew: Crew, one: PendingCall) -> None:
    """Give one call its result, whatever becomes of it: run, refused, unknown, or of unknown outcome."""
    began = time.monotonic()
    result = await outcome(journal, crew, one)
    await journal.emit(ToolFinished(call_id=one.call.id, result=result, seconds=time.monotonic() - began))


async def outcome(journal: Journal, crew: Crew, one: PendingCall) -> Result:
    """Return the call's result; before it runs, its start is on disk."""
    call = one.call
    tool = find(crew.toolbox, call)
    if one.started and not (tool and tool.repeatable):  # ... by a process that stopped before the result came
        return failed(call.id, UNKNOWN_OUTCOME)
    if one.started:
        return await called(crew, call, one.decision.arguments if one.decision else None)
    if tool is None:  # the toolbox says so, and names the nearest
        return await crew.toolbox.call(call, crew.desk)
    verdict = await crew.gate.allows(call, tool)
    if not verdict.allowed:
        return failed(call.id, verdict.why)
    await journal.emit(ToolStarted(call_id=call.id, tool=call.tool, why=verdict.why))
    return await called(crew, call, verdict.arguments)


async def called(crew: Crew, call: Call, arguments: dict[str, JsonValue] | None) -> Result:
    """Run the call; if the user changed its arguments, with those, and the model is told."""
    if arguments is None:
        return await crew.toolbox.call(call, crew.desk)
    result = await crew.toolbox.call(call.model_copy(update={"arguments": arguments}), crew.desk)
    return told_of_change(result, arguments)


def told_of_change(result: Result, arguments: dict[str, JsonValue]) -> Result:
    """Return the result, after a word to the model that the user changed the arguments of its call."""
    note = Text(text=f"(The user changed the arguments to {json.dumps(arguments, ensure_ascii=False)}.)")
    return result.model_copy(update={"content": (note, *result.content)})


def find(toolbox: Toolbox, call: Call) -> Tool | None:
    """Return the tool that the call means."""
    return next((tool for tool in toolbox.tools() if tool.name == call.tool), None)


def open_turn(journal: Journal) -> Turn:
    """Return the turn that the journal was opened for."""
    turn = journal.conversation.turn
    assert turn is not None, "the journal of a finished turn is not run"
    return turn
