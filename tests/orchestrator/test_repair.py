"""Whatever a history went through, the strict simulator takes it; one that is sound is not touched."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.context.repair import repaired
from orchestrator.conversation import Conversation
from orchestrator.events import (
    DurableEvent,
    Recorded,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Call, Image, Message, Opaque, Request, Result, Text, failed
from orchestrator.models import wire
from tests.orchestrator.judge import refusal
from tests.orchestrator.playing import asks, breaches, call, says

IDS = st.sampled_from([f"toolu_{letter}" for letter in "abcdef"])
WORDS = st.sampled_from(["", "  ", "hello", "so be it"])
TEXTS = st.builds(Text, text=WORDS)
CALLS = st.builds(Call, id=IDS, tool=st.just("notes__write"), arguments=st.just({}))
RESULTS = st.builds(failed, IDS, st.just("no"))
MESSAGES = st.one_of(
    st.builds(Message, role=st.just("user"), content=st.lists(TEXTS | RESULTS, max_size=5).map(tuple)),
    st.builds(Message, role=st.just("assistant"), content=st.lists(TEXTS | CALLS, max_size=5).map(tuple)),
)
HISTORIES = st.lists(MESSAGES, max_size=12)


def request(messages: tuple[Message, ...]) -> dict[str, Any]:
    """Return what goes over the wire; a history whose last word is the model's is asked to go on."""
    if not messages or messages[-1].role == "assistant":
        messages = (*messages, Message(role="user", content=(Text(text="go on"),)))
    return wire.body(Request(model="claude-opus-5-5", max_tokens=10, tools=(), system="", messages=messages))


@settings(max_examples=500, deadline=None)
@given(history=HISTORIES)
def test_any_history_becomes_one_that_breaks_no_rule(history: list[Message]) -> None:
    sound = repaired(history)
    assert not breaches(sound)
    assert not sound or sound[0].role == "user"
    assert refusal(request(sound)) == ""


@settings(max_examples=500, deadline=None)
@given(history=HISTORIES)
def test_repairing_a_sound_history_changes_nothing(history: list[Message]) -> None:
    sound = repaired(history)
    assert repaired(sound) == sound


@settings(max_examples=500, deadline=None)
@given(before=HISTORIES, after=HISTORIES)
def test_what_was_sent_once_is_sent_the_same_when_the_history_has_grown(
    before: list[Message], after: list[Message]
) -> None:
    asked = [*before, Message(role="user", content=(Text(text="and now?"),))]
    grown = [*asked, Message(role="assistant", content=(Text(text="this"),)), *after]
    sent = repaired(asked)
    assert repaired(grown)[: len(sent)] == sent


@settings(max_examples=300, deadline=None)
@given(history=HISTORIES)
def test_what_was_said_and_asked_is_still_there(history: list[Message]) -> None:
    sound = repaired(history)
    words = [block.text for message in history for block in message.content if isinstance(block, Text)]
    kept = [block.text for message in sound for block in message.content if isinstance(block, Text)]
    assert [word for word in words if word.strip()] == [word for word in kept if word.strip() and "missing" not in word]


def test_ten_thousand_interruptions_make_no_request_that_the_strict_simulator_refuses() -> None:
    chance = random.Random(20261121)
    refused = [refusal(request(repaired(interrupted(chance)))) for _ in range(10_000)]
    assert [why for why in refused if why] == []


def interrupted(chance: random.Random) -> tuple[Message, ...]:
    """Return the history of some turns, each of them stopped at any event and in any way."""
    conversation, seq = Conversation("c"), 0
    for number in range(chance.randint(1, 4)):
        events = turn_events(chance, number)
        cut = events[: chance.randint(1, len(events))]
        if not isinstance(cut[-1], TurnFinished):
            cut = [*cut, TurnFinished(reason=chance.choice(["cancelled", "failed", "limit"]))]
        for event in cut:
            seq += 1
            recorded = Recorded(conversation_id="c", turn_id=f"t{number}", seq=seq, at=NOW, event=event)
            conversation = conversation.after(recorded)
    assert repaired(conversation.messages) == conversation.messages, "the fold's own history is sound"
    return conversation.messages


def turn_events(chance: random.Random, number: int) -> list[DurableEvent]:
    """Return the events of one turn with some steps; the calls of a step start and finish in any order."""
    events: list[DurableEvent] = [TurnStarted(content=(Text(text=f"question {number}"),))]
    steps = chance.randint(0, 3)
    for step in range(1, steps + 1):
        calls = [call(f"toolu_{number}_{step}_{n}") for n in range(chance.randint(1, 4))]
        events.append(StepFinished(step=step, **dict(asks(calls, chance.choice(["", "Let me see."])))))
        order = chance.sample(calls, len(calls))
        started = [ToolStarted(call_id=one.id, tool=one.tool, why="test") for one in order if chance.random() < 0.8]
        finished = [
            ToolFinished(call_id=one.id, result=failed(one.id, "no")) for one in chance.sample(order, len(order))
        ]
        events += [*started, *finished]
    last = StepFinished(step=steps + 1, **dict(says("Done.")))
    return [*events, last, TurnFinished(reason="done")]


NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_half_calls_that_an_older_version_kept_are_left_out_and_blank_results_say_so() -> None:
    first = Message(role="user", content=(Text(text="hi"),))
    half = Opaque(wire={"type": "tool_use", "id": "toolu_z", "name": "notes__write", "input": [1]})
    asked = Message(role="assistant", content=(Text(text="so"), half, Call(id="toolu_a", tool="t", arguments={})))
    blank = Message(role="user", content=(Result(call_id="toolu_a", content=(Text(text=" \n"), Text(text=""))),))
    sound = repaired([first, asked, blank])
    assert sound[1].content == (asked.content[0], asked.content[2])
    assert refusal(request(sound)) == ""


def test_images_and_results_stay_in_their_place() -> None:
    picture = Image(media_type="image/png", data="AA==")
    asked = Message(role="assistant", content=(Call(id="a", tool="t", arguments={}),))
    late = Message(role="user", content=(picture, Result(call_id="a", content=(picture,))))
    first = Message(role="user", content=(Text(text="hi"),))
    assert repaired([first, asked, late])[2].content == (late.content[1], picture)
