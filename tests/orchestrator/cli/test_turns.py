from __future__ import annotations

import io
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest
from pydantic import JsonValue

from orchestrator import turn
from orchestrator.approvals import HumanDesk, HumanGate
from orchestrator.cli.asking import Asker, AtTerminal, Granted, Unattended
from orchestrator.cli.granting import Standing
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.lines import Lines
from orchestrator.cli.turns import Stage, play
from orchestrator.cli.writer import Writer
from orchestrator.conversation import Conversation
from orchestrator.conversations import Conversations, Started
from orchestrator.engine.local import LocalEngine
from orchestrator.errors import ModelUnreachable
from orchestrator.events import ApprovalResolved, QuestionAsked, Recorded
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Request, Text, Tool
from orchestrator.models.scripted import Line, ScriptedModel, asks, says
from orchestrator.policy.rules import Policy, Rule
from orchestrator.ports import Desk
from orchestrator.store.memory import MemoryStore
from orchestrator.tools.scripted import ScriptedToolbox, offered
from tests.orchestrator.cli.telling import call

pytestmark = pytest.mark.anyio
HELLO = [Text(text="hello")]
WRITE = call("a", "notes__write", name="tea")


@dataclass
class House:
    """Conversations with a scripted model and a few tools, and a screen that is a string."""

    conversations: Conversations
    standing: Standing
    store: MemoryStore
    go_on: anyio.Event
    """Lets `notes__wait` return."""
    out: io.StringIO = field(default_factory=io.StringIO)
    seen: list[Recorded] = field(default_factory=list[Recorded])

    def stage(self, asker: Asker | None = None, granted: Granted | None = None) -> Stage:
        nobody = Unattended()
        return Stage(
            self.conversations,
            Writer(self.out),
            asker or nobody,
            granted or Granted(),
            Interrupts(),
            nobody.denied,
            self.seen.append,
            self.standing,
        )


async def write(arguments: dict[str, JsonValue], desk: Desk) -> str:
    return f"wrote {arguments['name']}"


async def ask_tea(arguments: dict[str, JsonValue], desk: Desk) -> str:
    fields: dict[str, JsonValue] = {"properties": {"tea": {"type": "string"}}, "required": ["tea"]}
    answer = await desk.ask(QuestionAsked(question_id="q", server="notes", text="Which tea?", fields=fields))
    return f"{answer.action} {answer.values}"


async def hang(arguments: dict[str, JsonValue], desk: Desk) -> str:
    await anyio.sleep_forever()
    return ""


@asynccontextmanager
async def house(*script: Line) -> AsyncGenerator[House]:
    rules: list[Rule] = []
    store, go_on = MemoryStore(), anyio.Event()

    async def wait(arguments: dict[str, JsonValue], desk: Desk) -> str:
        await go_on.wait()
        return "late"

    def policy() -> Policy:
        return Policy(tuple(rules), trusted=frozenset({"notes"}))

    toolbox = ScriptedToolbox(
        [
            (offered("notes__write").model_copy(update={"open_world": False}), write),
            (offered("notes__ask", read_only=True), ask_tea),
            (offered("notes__hang", read_only=True), hang),
            (offered("notes__wait", read_only=True), wait),
        ]
    )
    model = ScriptedModel(*script)

    def planned(conversation: Conversation, tools: tuple[Tool, ...]) -> Request:
        return Request(model="scripted", max_tokens=100, tools=tools, system="", messages=conversation.messages)

    def crew(journal: Journal) -> turn.Crew:
        gate = HumanGate(journal, policy, toolbox)
        return turn.Crew(model, toolbox, gate, HumanDesk(journal), planned)

    conversations = Conversations(store, LocalFeed(), crew, keep=rules.append)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            conversations.engine = LocalEngine(tasks, conversations.run_turn)
            yield House(conversations, Standing(toolbox.tools, policy), store, go_on)
            tasks.cancel_scope.cancel()


async def test_a_turn_is_shown_while_it_runs_and_its_outcome_returned() -> None:
    async with house(asks([WRITE], "I write."), says("Written.")) as here:
        outcome = await play(here.stage(granted=Granted(everything=True)), await begin(here))
    assert outcome.exit_code == 0
    assert [one.result for one in outcome.calls] == ["wrote tea"]
    text = here.out.getvalue()
    assert text.startswith("I write.\n\n● notes__write name=tea\n✓ notes__write  wrote tea · ")
    assert text.endswith("\n\nWritten.\n")


async def test_without_anybody_to_ask_the_turn_goes_on_and_exits_with_5() -> None:
    async with house(asks([WRITE]), says("I may not.")) as here:
        outcome = await play(here.stage(), await begin(here))
    assert outcome.exit_code == 5
    assert outcome.denied == ("notes__write",)
    assert outcome.calls[0].is_error
    assert "--allow notes__write" in outcome.calls[0].result


async def test_a_grant_covers_only_what_it_names() -> None:
    async with house(asks([WRITE]), says("Done.")) as here:
        outcome = await play(here.stage(granted=Granted(allow=("web__*",))), await begin(here))
        assert outcome.denied
    async with house(asks([WRITE]), says("Done.")) as here:
        outcome = await play(here.stage(granted=Granted(allow=("notes__*",))), await begin(here))
        assert not outcome.denied


async def test_several_approvals_are_asked_one_after_the_other() -> None:
    calls = [call(name, "notes__write", name=name) for name in ("a", "b")]
    async with house(asks(calls), says("Done.")) as here, typed("y\nn b is wrong\n", here) as user:
        outcome = await play(here.stage(user), await begin(here))
    assert [one.is_error for one in outcome.calls] == [False, True]
    assert "b is wrong" in outcome.calls[1].result
    assert here.out.getvalue().count("notes wants to run write") == 2


async def test_a_rule_given_with_one_call_answers_the_others_that_wait_and_nothing_more_is_asked() -> None:
    calls = [call(name, "notes__write", name=name) for name in ("a", "b", "c")]
    script = asks(calls), asks([call("d", "notes__write", name="d")]), says("Done.")
    async with house(*script) as here, typed("t\ns\n", here) as user:
        outcome = await play(here.stage(user), await begin(here))
    assert [one.result for one in outcome.calls] == ["wrote a", "wrote b", "wrote c", "wrote d"]
    text = here.out.getvalue()
    assert text.count("notes wants to run write") == 1
    assert "[s] allow notes__write (session)" in text, "the very rule is shown before it is kept"
    assert text.count("notes__write  allowed by rule: allow notes__write (session)") == 2
    resolved = [one.event for one in here.seen if isinstance(one.event, ApprovalResolved)]
    assert sorted((one.by, one.rule) for one in resolved) == [
        ("rule", "rule: allow notes__write (session)"),
        ("rule", "rule: allow notes__write (session)"),
        ("user", "allow notes__write (session)"),
    ]


async def test_never_refuses_this_call_and_all_that_come() -> None:
    script = asks([WRITE]), asks([call("b", "notes__write", name="b")]), says("I may not.")
    async with house(*script) as here, typed("N\nf\n", here) as user:
        outcome = await play(here.stage(user), await begin(here))
    assert [one.is_error for one in outcome.calls] == [True, True]
    assert "deny notes__write (project)" in outcome.calls[1].result
    assert here.out.getvalue().count("wants to run") == 1


async def test_what_the_user_makes_of_the_arguments_is_what_runs() -> None:
    async with house(asks([WRITE]), says("Done.")) as here, typed('e\n{"name": "coffee"}\n', here) as user:
        outcome = await play(here.stage(user), await begin(here))
    assert "wrote coffee" in outcome.calls[0].result
    assert "● notes__write name=coffee" in here.out.getvalue()


async def test_decisions_made_beforehand_are_recorded_as_automatic() -> None:
    for granted, allowed in ((Granted(everything=True), True), (Granted(), False)):
        async with house(asks([WRITE]), says("Done.")) as here:
            await play(here.stage(granted=granted), await begin(here))
        resolved = [one.event for one in here.seen if isinstance(one.event, ApprovalResolved)]
        assert [(one.allowed, one.by) for one in resolved] == [(allowed, "automatic")]


@pytest.mark.parametrize(("key", "exits"), [("y", 0), ("n", 7)])
async def test_a_turn_that_goes_in_circles_asks_plainly_whether_to_go_on(key: str, exits: int) -> None:
    script = [asks([call(str(number), "notes__write", name="x")]) for number in range(3)]
    async with house(*script, says("Enough.")) as here, typed(f"{key}\n", here) as user:
        outcome = await play(here.stage(user, Granted(everything=True)), await begin(here))
    assert outcome.exit_code == exits
    assert "Go on?\n  [y] yes  [n] no: " in here.out.getvalue()


async def test_an_approval_that_somebody_else_gave_is_not_waited_for() -> None:
    async with house(asks([WRITE]), says("Done.")) as here, typed("", here, ends=False) as user:
        started = await begin(here)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(decide_when_asked, here, started)
            outcome = await play(here.stage(user), started)
            assert outcome.exit_code == 0
            assert outcome.calls[0].result == "wrote tea"


async def test_cancelling_while_the_user_is_asked_ends_the_question_and_the_turn() -> None:
    async with house(asks([WRITE])) as here, typed("", here, ends=False) as user:
        started = await begin(here)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_when, "approval_requested", here, started)
            outcome = await play(here.stage(user), started)
            assert (outcome.status, outcome.exit_code) == ("cancelled", 130)


async def test_cancelling_a_call_that_hangs_ends_the_turn() -> None:
    async with house(asks([call("h", "notes__hang")])) as here:
        started = await begin(here)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_when, "tool_started", here, started)
            outcome = await play(here.stage(), started)
            assert outcome.exit_code == 130
    assert "✗ notes__hang  stopped" in here.out.getvalue()


async def test_a_turn_that_was_taken_over_while_a_call_ran_ends_here_and_no_call_is_said_to_have_stopped() -> None:
    async with house(asks([call("w", "notes__wait")])) as here:
        started = await begin(here)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take_over_when_started, here, started)
            outcome = await play(here.stage(), started)
            assert (outcome.exit_code, outcome.error and outcome.error.code) == (2, "fenced")
    text = here.out.getvalue()
    assert "! Another window took this turn over.\n" in text
    assert f"`orchestrator chat --resume {started.conversation_id}` shows how it goes on." in text
    assert "stopped" not in text, "it goes on elsewhere"


async def test_a_question_of_a_server_is_answered_at_the_terminal_and_declined_without_one() -> None:
    async with house(asks([call("q1", "notes__ask")]), says("Done.")) as here, typed("y\ngreen\n", here) as user:
        outcome = await play(here.stage(user), await begin(here))
    assert outcome.calls[0].result == "accept {'tea': 'green'}"
    async with house(asks([call("q1", "notes__ask")]), says("Done.")) as here:
        outcome = await play(here.stage(), await begin(here))
    assert outcome.calls[0].result == "decline {}"
    assert outcome.exit_code == 0


async def test_a_failure_keeps_the_message_and_resuming_answers_it() -> None:
    async with house(ModelUnreachable("Nothing answers there.", "Start it."), says("Here I am.")) as here:
        started = await begin(here)
        outcome = await play(here.stage(), started)
        assert (outcome.exit_code, outcome.error and outcome.error.code) == (3, "model_unreachable")
        assert f"--resume {started.conversation_id}" in here.out.getvalue()
        again = await here.conversations.resume(started.conversation_id)
        assert again is not None
        outcome = await play(here.stage(), again)
    assert (outcome.exit_code, outcome.text) == (0, "Here I am.")


async def test_every_event_of_the_turn_reaches_the_tap_once_and_in_order() -> None:
    async with house(asks([WRITE]), says("Done.")) as here:
        await play(here.stage(granted=Granted(everything=True)), await begin(here))
    durable = [one.seq for one in here.seen if not one.event.live]
    assert durable == list(range(1, durable[-1] + 1))
    assert here.seen[-1].event.type == "turn_finished"


async def begin(here: House) -> Started:
    return await here.conversations.start_turn(HELLO)


async def cancel_when(kind: str, here: House, started: Started) -> None:
    async with here.conversations.watch(started.conversation_id) as events:
        async for recorded in events:
            if recorded.event.type == kind:
                return await here.conversations.cancel(started.conversation_id)


async def take_over_when_started(here: House, started: Started) -> None:
    """Be another process that takes the turn over while its call runs."""
    async with here.conversations.watch(started.conversation_id) as events:
        async for recorded in events:
            if recorded.event.type == "tool_started":
                await here.store.claim(started.conversation_id, started.turn_id, "another")
                return here.go_on.set()


async def decide_when_asked(here: House, started: Started) -> None:
    async with here.conversations.watch(started.conversation_id) as events:
        async for recorded in events:
            if recorded.event.type == "approval_requested":
                return await here.conversations.decide(started.conversation_id, "a", allowed=True)


@asynccontextmanager
async def typed(keys: str, here: House, *, ends: bool = True) -> AsyncGenerator[AtTerminal]:
    """Somebody at a keyboard who types this, and then leaves or just sits there."""
    read, write_end = os.pipe()
    os.write(write_end, keys.encode())
    if ends:
        os.close(write_end)
    with os.fdopen(read) as board:
        yield AtTerminal(Lines(board), Writer(here.out), here.standing)
    if not ends:
        os.close(write_end)
