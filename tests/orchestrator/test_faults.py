"""Every fault of the simulator, at the first step of a turn and at a later one: the turn ends well, or says why not."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from pydantic import JsonValue

from orchestrator.conversation import fold
from orchestrator.events import AnswerRetried, StepFinished, ToolStarted, TurnFinished
from orchestrator.messages import Text
from orchestrator.models.claude import ClaudeModel
from orchestrator.models.endpoints import Endpoint
from orchestrator.models.retrying import RetryingModel
from orchestrator.ports import Desk
from simulator.faults import PASS, STATUSES, STREAMED, Fault
from simulator.serving import Settings, running
from tests.orchestrator.playing import breaches
from tests.orchestrator.test_conversations import house

pytestmark = pytest.mark.anyio

FINAL = {
    400: "model_rejected",
    401: "model_refused_key",
    402: "model_rejected",
    403: "model_refused_key",
    404: "model_rejected",
    413: "model_rejected",
}
PASSING = [
    *[Fault(str(status)) for status in STATUSES if status not in FINAL],
    *[Fault(kind, after=after, seconds=30) for kind in STREAMED if kind != "cut-arguments" for after in (1, 7, 14)],
    *[Fault("cut-arguments", after=after) for after in (13, 14, 15)],  # from the first piece on that is more than ""
    Fault("html"),
    Fault("empty"),
    Fault("slow", seconds=0.01),
    Fault("429", retry_after="0.01"),
]
ASK = (Text(text='/call notes__read {"name": "a long name, so that its JSON comes in several pieces over the wire"}'),)


@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
@pytest.mark.parametrize("fault", PASSING, ids=Fault.written)
async def test_what_passes_by_itself_is_asked_again_and_the_turn_completes(fault: Fault, later: bool) -> None:
    done = Counter[str]()

    async def work(arguments: dict[str, JsonValue], desk: Desk) -> str:
        done[str(arguments.get("name"))] += 1
        return "the note"

    faults = (PASS, fault) if later else (fault,)
    async with running(Settings(faults=faults)) as url:
        claude = ClaudeModel(Endpoint(base_url=url, api_key="k", silence=1.0))
        async with house(model=RetryingModel(claude, attempts=6, first_wait=0.01), work=work) as one:
            started = await one.conversations.start_turn(ASK)
            seen = await one.ended(started)
            events = await one.conversations.events(started.conversation_id)
        await claude.close()
    assert seen[-1] == TurnFinished(reason="done"), seen[-1]
    assert list(done.values()) == [1], "the call ran once, with whole arguments"
    assert len(next(iter(done))) == len("a long name, so that its JSON comes in several pieces over the wire")
    steps = [one.event for one in events if isinstance(one.event, StepFinished)]
    assert [step.stop for step in steps] == ["calls", "done"], "nothing half said is in the history"
    assert not breaches(fold("c", events).messages)
    harmless = fault.kind in ("slow",) or (fault.streamed and not any(isinstance(e, AnswerRetried) for e in seen))
    assert harmless or any(isinstance(event, AnswerRetried) for event in seen), "and the user saw it"


@pytest.mark.parametrize("later", [False, True], ids=["first step", "later step"])
@pytest.mark.parametrize("status", FINAL)
async def test_what_does_not_pass_ends_the_turn_with_its_reason_and_resuming_completes_it(
    status: int, later: bool
) -> None:
    faults = (PASS, Fault(str(status))) if later else (Fault(str(status)),)
    async with running(Settings(faults=faults)) as url:
        claude = ClaudeModel(Endpoint(base_url=url, api_key="k"))
        async with house(model=RetryingModel(claude, first_wait=0.01)) as one:
            started = await one.conversations.start_turn(ASK)
            last = (await one.ended(started))[-1]
            assert isinstance(last, TurnFinished)
            assert (last.reason, last.code) == ("failed", FINAL[status])
            assert str(status) in last.detail
            again = await one.conversations.resume(started.conversation_id)
            assert again is not None
            assert (await one.ended(again))[-1] == TurnFinished(reason="done")
            events = await one.conversations.events(started.conversation_id)
        await claude.close()
    assert len([one for one in events if isinstance(one.event, ToolStarted)]) == 1


async def test_patience_ends_and_the_turn_says_why() -> None:
    async with running(Settings(faults=(Fault("529"),) * 20)) as url:
        claude = ClaudeModel(Endpoint(base_url=url, api_key="k"))
        async with house(model=RetryingModel(claude, attempts=3, first_wait=0.01)) as one:
            with anyio.fail_after(20):
                last = (await one.ended(await one.conversations.start_turn(ASK)))[-1]
        await claude.close()
    assert isinstance(last, TurnFinished)
    assert (last.reason, last.code) == ("failed", "model_overloaded")
