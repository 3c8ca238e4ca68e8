"""What people decided and answered is part of the recording: approvals, changed arguments, questions, crashes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio
import pytest
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
from orchestrator.messages import Text, failed
from orchestrator.models.scripted import Line, ScriptedModel, asks, says
from orchestrator.policy.rules import Policy, Rule
from orchestrator.ports import Desk
from orchestrator.replaying.cassette import Cassette, recorded
from orchestrator.replaying.strict import replay
from orchestrator.store.memory import MemoryStore
from orchestrator.tools.scripted import ScriptedToolbox, offered
from orchestrator.turn import told_of_change
from tests.orchestrator.playing import HELLO, begun, call

pytestmark = pytest.mark.anyio
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


CALLS = asks([call("a", name="one"), call("b", name="two"), call("c", "notes__brew", name="three")])
LIVES = {
    "all allowed": ({"a": yes("a"), "b": yes("b"), "c": yes("c")}, None),
    "one denied with a note": ({"a": yes("a"), "b": no("b", "Not this one."), "c": yes("c")}, None),
    "arguments changed": ({"a": yes("a", name="other"), "b": yes("b"), "c": yes("c", name="q")}, None),
    "a rule that answers the rest": ({"a": yes("a")}, ALLOW_ALL),
    "cancelled while asked": ({"a": yes("a"), "b": "cancel"}, None),
}


@pytest.mark.parametrize("name", LIVES)
async def test_what_people_decided_replays_to_the_byte(name: str) -> None:
    answers, rule = LIVES[name]
    cassette = await lived([CALLS, says("Ok.")], answers, rule)
    assert any(isinstance(one.event, ApprovalResolved) for one in cassette.events)
    with anyio.fail_after(20):
        assert await replay(cassette) is None


async def test_a_call_that_a_rule_denies_replays_without_a_question() -> None:
    cassette = await lived([asks([call("a", "notes__burn"), call("b", "notes__lost")]), says("Ok.")], {})
    assert not any(isinstance(one.event, ApprovalRequested) for one in cassette.events)
    assert await replay(cassette) is None


async def test_a_turn_that_went_in_circles_replays_with_the_answer_that_let_it_go_on() -> None:
    circle = [asks([call(f"n{number}", name="same")]) for number in range(4)]
    answers = {f"n{number}": yes(f"n{number}") for number in range(4)}
    cassette = await lived([*circle, says("Ok.")], answers)
    asked = [one.event for one in cassette.events if isinstance(one.event, QuestionAsked)]
    assert [event.server for event in asked] == ["orchestrator"]
    assert await replay(cassette) is None


async def test_a_call_with_changed_arguments_replays_whatever_became_of_it_after_a_crash() -> None:
    one = asks([call("a", name="one")])
    asked = ApprovalRequested(call_id="a", tool="notes__write", arguments={"name": "one"}, why="because")
    unknown = failed("a", "outcome unknown: the program stopped.")
    for result in (unknown, told_of_change(unknown, {"name": "two"})):
        cassette = await written(one, asked, yes("a", name="two"), result=result)
        assert await replay(cassette) is None


async def test_a_decision_that_came_late_or_for_nothing_is_played_where_it_was() -> None:
    result = failed("a", "broken")
    for early, late in ((yes("nobody"), None), (None, no("a"))):
        cassette = await written(asks([call("a")]), *filter(None, [early]), result=result, late=late)
        assert await replay(cassette) is None


async def written(step: Line, *before: DurableEvent, result, late: DurableEvent | None = None) -> Cassette:
    """Return a turn of one call as a store got it."""
    store = MemoryStore()
    await store.create("c")
    claim = await begun(store, "c", "t", HELLO)
    first = [StepFinished(step=1, **dict(step)), *before, ToolStarted(call_id="a", tool="notes__write", why="yes")]
    ended = [ToolFinished(call_id="a", result=result, seconds=1.5), *filter(None, [late])]
    await store.append(claim, [*first, *ended, StepFinished(step=2, **dict(says("Ok."))), TurnFinished(reason="done")])
    return recorded("c", await store.events("c"))
