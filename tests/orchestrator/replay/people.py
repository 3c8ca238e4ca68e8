"""A conversation with a person at the desk, who decides, answers and cancels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio
from pydantic import JsonValue

from orchestrator import turn
from orchestrator.approvals import HumanDesk, HumanGate
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversations import Conversations
from orchestrator.engine.local import LocalEngine
from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    DurableEvent,
    QuestionAsked,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Answer, Text
from orchestrator.models.scripted import Line, ScriptedModel, says
from orchestrator.policy.rules import Policy, Rule
from orchestrator.ports import Desk
from orchestrator.replaying.cassette import Cassette, recorded
from orchestrator.store.memory import MemoryStore
from orchestrator.tools.scripted import ScriptedToolbox, offered
from tests.orchestrator.playing import HELLO, begun

ALLOW_ALL = Rule(effect="allow", tool="notes__*", scope="session")


async def lived(
    script: Sequence[Line], answers: Mapping[str, ApprovalResolved | str], rule: Rule | None = None
) -> Cassette:
    """Run a turn with a person at the desk and return it.

    `answers` has the decision for each call, or what else the person does: `cancel` the turn, give the `rule`.
    """
    store, feed = MemoryStore(), LocalFeed()
    given: list[Rule] = [Rule(effect="deny", tool="notes__burn")]

    async def brew(arguments: dict[str, JsonValue], desk: Desk) -> str:
        kind = await desk.ask(QuestionAsked(question_id=f"q{arguments['name']}", server="notes", text="Which?"))
        return f"{kind.action} {kind.values}"

    async def write(arguments: dict[str, JsonValue], desk: Desk) -> str:
        return f"wrote {arguments}"

    tools = {"notes__write": write, "notes__burn": write, "notes__brew": brew}
    toolbox = ScriptedToolbox([(offered(name), play) for name, play in tools.items()])
    model = ScriptedModel(*script)

    def crew(journal: Journal) -> turn.Crew:
        gate = HumanGate(journal, lambda: Policy(tuple(given)), toolbox)
        settings = ContextSettings(Choice("claude-opus-5-5"))
        return turn.Crew(model, toolbox, gate, HumanDesk(journal), lambda past, tools: plan(past, tools, settings))

    people = Conversations(store, feed, crew, keep=given.append)
    where = ""
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            people.engine = LocalEngine(tasks, people.run_turn)
            started = await people.start_turn([Text(text="hello")])
            where = started.conversation_id
            async with people.watch(where) as events:
                async for one in events:
                    event = one.event
                    if isinstance(event, QuestionAsked):
                        await people.answer(where, event.question_id, "accept", {"kind": "assam"})
                    elif isinstance(event, ApprovalRequested) and answers.get(event.call_id) == "cancel":
                        await people.cancel(where)
                    elif isinstance(event, ApprovalRequested) and event.call_id in answers:
                        answer = answers[event.call_id]
                        assert isinstance(answer, ApprovalResolved)
                        await people.decide(
                            where, event.call_id, answer.allowed, answer.note, answer.arguments, rule=rule
                        )
                    elif isinstance(event, TurnFinished):
                        break
            tasks.cancel_scope.cancel()
    return recorded(where, await store.events(where))


def yes(call_id: str, **arguments: JsonValue) -> ApprovalResolved:
    return ApprovalResolved(call_id=call_id, allowed=True, arguments=arguments or None)


def no(call_id: str, note: str = "") -> ApprovalResolved:
    return ApprovalResolved(call_id=call_id, allowed=False, note=note)


async def written(step: Answer, *before: DurableEvent, result, late: DurableEvent | None = None) -> Cassette:
    """Return a turn of one call as a store got it."""
    store = MemoryStore()
    await store.create("c")
    claim = await begun(store, "c", "t", HELLO)
    first = [StepFinished(step=1, **dict(step)), *before, ToolStarted(call_id="a", tool="notes__write", why="yes")]
    ended = [ToolFinished(call_id="a", result=result, seconds=1.5), *filter(None, [late])]
    await store.append(claim, [*first, *ended, StepFinished(step=2, **dict(says("Ok."))), TurnFinished(reason="done")])
    return recorded("c", await store.events("c"))
