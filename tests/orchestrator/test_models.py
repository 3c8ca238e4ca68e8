from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from pydantic import JsonValue

from orchestrator.errors import ModelCut, ModelOverloaded, ModelRejected
from orchestrator.events import AnswerRetried
from orchestrator.messages import Call, Image, Message, Opaque, Request, Result, Text, Tool
from orchestrator.models import wire
from orchestrator.models.retrying import RetryingModel, worth_waiting
from orchestrator.models.scripted import ScriptedModel, says

pytestmark = pytest.mark.anyio

THINKING: dict[str, JsonValue] = {"type": "thinking", "thinking": "hm", "signature": "s"}
TOOL = Tool(name="files__list", server="files", original="list", description="Lists.", input_schema={"type": "object"})
REQUEST = Request(
    model="m",
    max_tokens=10,
    tools=(TOOL,),
    system="Be brief.",
    messages=(
        Message(role="user", content=(Text(text="hi"), Image(media_type="image/png", data="AA=="))),
        Message(
            role="assistant",
            content=(Opaque(wire=THINKING), Text(text="so"), Call(id="a", tool="files__list", arguments={"path": "."})),
        ),
        Message(role="user", content=(Result(call_id="a", content=(Text(text="x"),), is_error=True),)),
        Message(role="user", content=(Text(text="and now?"),)),
    ),
)


def test_a_request_goes_out_in_the_apis_words() -> None:
    body = wire.body(REQUEST)
    assert body["tools"] == [{"name": "files__list", "description": "Lists.", "input_schema": {"type": "object"}}]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == [
        THINKING,
        {"type": "text", "text": "so"},
        {"type": "tool_use", "id": "a", "name": "files__list", "input": {"path": "."}},
    ]
    result, words = body["messages"][2]["content"]
    assert result["tool_use_id"] == "a"
    assert result["is_error"] is True
    assert words == {"type": "text", "text": "and now?"}, "results come first, then what the user says next"


def test_the_same_history_gives_the_same_bytes_and_a_longer_one_begins_with_them() -> None:
    shorter = wire.messages(REQUEST.messages[:2])
    assert wire.messages(REQUEST.messages)[:2] == shorter
    assert wire.body(REQUEST) == wire.body(REQUEST.model_copy())


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "plain"},
        {"type": "text", "text": "cited", "citations": [{"type": "page_location"}]},
        {"type": "tool_use", "id": "a", "name": "b", "input": {"deep": [1, {"x": None}]}},
        {"type": "tool_use", "id": "a", "name": "b", "input": {}, "caller": {"type": "direct"}},
        THINKING,
        {"type": "never_seen_before", "anything": {"at": ["all"]}},
    ],
    ids=lambda block: block["type"],
)
def test_every_block_that_came_in_goes_out_to_the_letter(block: dict[str, JsonValue]) -> None:
    assert wire.block(wire.read_block(block)) == block


def test_a_call_that_could_never_be_answered_is_not_kept() -> None:
    with pytest.raises(ValueError, match="a call without"):
        wire.read_block({"type": "tool_use", "id": "a", "name": "b", "input": [1]})


def test_blank_text_is_left_out_and_an_empty_result_says_so() -> None:
    history = [
        Message(role="user", content=(Text(text=" \n"), Text(text="x"))),
        Message(role="assistant", content=(Text(text=""),)),
        Message(role="user", content=(Result(call_id="a", content=()),)),
    ]
    sent = wire.messages(history)
    assert sent[0]["content"][0] == {"type": "text", "text": "x"}
    assert sent[0]["content"][1]["content"] == [{"type": "text", "text": "(no output)"}]
    assert len(sent) == 1


@pytest.fixture
def shown() -> tuple[list[AnswerRetried], Callable[[object], object]]:
    seen: list[AnswerRetried] = []

    async def emit(event: object) -> None:
        if isinstance(event, AnswerRetried):
            seen.append(event)

    return seen, emit


async def test_an_overloaded_model_is_asked_again_and_the_user_sees_it(shown) -> None:
    seen, emit = shown
    inner = ScriptedModel(ModelOverloaded("Busy."), ModelCut("Broke off."), says("There."))
    with anyio.fail_after(30):
        answer = await RetryingModel(inner, first_wait=0.01).ask(REQUEST, emit)
    assert answer.message.text == "There."
    assert [event.why for event in seen] == ["Busy.", "Broke off."]
    assert len(inner.requests) == 3


async def test_patience_ends_and_the_last_failure_is_the_one_that_counts(shown) -> None:
    seen, emit = shown
    inner = ScriptedModel(*[ModelCut(f"Cut {number}.") for number in range(9)])
    with anyio.fail_after(30), pytest.raises(ModelCut, match="Cut 2"):
        await RetryingModel(inner, attempts=3, first_wait=0.01).ask(REQUEST, emit)
    assert len(seen) == 2


async def test_a_request_that_is_refused_is_not_sent_again(shown) -> None:
    _, emit = shown
    inner = ScriptedModel(ModelRejected("No."), says("never"))
    with pytest.raises(ModelRejected):
        await RetryingModel(inner, first_wait=0.01).ask(REQUEST, emit)
    assert len(inner.requests) == 1


def test_a_retry_after_is_honoured_up_to_a_minute_and_not_beyond() -> None:
    assert worth_waiting(ModelOverloaded("Later.", retry_after=7.0)) == 7.0
    assert worth_waiting(ModelOverloaded("Much later.", retry_after=3600.0)) is False
    assert worth_waiting(ModelOverloaded("Soon.")) is True
