"""Answers that no Messages API should give, over a real connection: each is dropped whole, or kept to the letter."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from orchestrator.errors import ConfigError, ModelCut, ModelError, ModelOverloaded, ModelRefusedKey, ModelRejected
from orchestrator.messages import Answer, Call, Message, Opaque, Request, Text
from orchestrator.models import wire
from orchestrator.models.claude import CREDENTIALS, ClaudeModel
from orchestrator.models.endpoints import Endpoint
from orchestrator.models.retrying import worth_waiting

pytestmark = pytest.mark.anyio

REQUEST = Request(
    model="claude-opus-5-5",
    max_tokens=100,
    tools=(),
    system="",
    messages=(Message(role="user", content=(Text(text="hello"),)),),
)
USED = {"input_tokens": 1, "output_tokens": 1}


def sent(**event: Any) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


def block(index: int, begun: dict[str, Any], *deltas: dict[str, Any]) -> str:
    pieces = [sent(type="content_block_delta", index=index, delta=delta) for delta in deltas]
    begin = sent(type="content_block_start", index=index, content_block=begun)
    return begin + "".join(pieces) + sent(type="content_block_stop", index=index)


def text(index: int, words: str) -> str:
    return block(index, {"type": "text", "text": ""}, {"type": "text_delta", "text": words})


def tool(arguments: str, **changes: Any) -> str:
    begun = {"type": "tool_use", "id": "toolu_1", "name": "notes__write", "input": {}} | changes
    return block(0, begun, {"type": "input_json_delta", "partial_json": arguments})


def end(reason: str | None = "end_turn", **used: Any) -> str:
    return sent(type="message_delta", delta={"stop_reason": reason}, usage=USED | used) + sent(type="message_stop")


BEGIN = sent(
    type="message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-5-5",
        "content": [],
        "stop_reason": None,
        "usage": USED,
    },
)


@asynccontextmanager
async def answering(raw: bytes) -> AsyncGenerator[str]:
    """Answer everybody with these bytes, and give the address."""

    async def serve(guest: SocketStream) -> None:
        async with guest:
            heard = b""
            while b"hello" not in heard:
                heard += await guest.receive()
            await guest.send(raw)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


async def asked(raw: bytes, heard: list[Mapping[str, str]] | None = None) -> Answer:
    async def quiet(_: object) -> None:
        pass

    async with answering(raw) as url:
        model = ClaudeModel(Endpoint(base_url=url, api_key="k"), (heard if heard is not None else []).append)
        try:
            with anyio.fail_after(20):
                outcome = await model.ask(REQUEST, quiet)
        except ModelError as error:
            outcome = error
        finally:
            await model.close()
    if isinstance(outcome, ModelError):
        raise outcome  # here, where no task group wraps it
    return outcome


def streamed(events: str, head: str = "") -> bytes:
    start = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n{head}\r\n"
    return start.encode() + events.encode()


def refused(status: int, head: str = "", body: str = "{}") -> bytes:
    start = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{start}connection: close\r\n{head}\r\n{body}".encode()


@pytest.mark.parametrize(
    "events",
    [
        BEGIN + tool("[1, 2]") + end("tool_use"),
        BEGIN + tool('"x"') + end("tool_use"),
        BEGIN + tool("null") + end("tool_use"),
        BEGIN + tool("{}", id=None) + end("tool_use"),
        BEGIN + tool("{}", name=None) + end("tool_use"),
        BEGIN + tool('{"a": NaN}') + end("tool_use"),
        BEGIN + tool('{"a": 1e999}') + end("tool_use"),
        BEGIN + tool('{"a": "\\ud800"}') + end("tool_use"),
        BEGIN + tool('{"a": ' + "[" * 5000 + "]" * 5000 + "}") + end("tool_use"),
        BEGIN + text(0, "half \ud800 a character") + end(),
        BEGIN + sent(type="content_block_delta", index=7, delta={"type": "text_delta", "text": "x"}) + end(),
        BEGIN + sent(type="content_block_stop", index=7) + end(),
        BEGIN + text(0, "so") + end(None),
        BEGIN + "event: content_block_start\ndata: [1]\n\n" + end(),
        BEGIN + sent(type="error", error={"type": "never_heard_of", "message": "x"}),
        BEGIN + "event: error\ndata: boom\n\n",
        "",
    ],
)
async def test_an_answer_that_is_none_is_dropped_whole_and_worth_asking_for_again(events: str) -> None:
    with pytest.raises(ModelError) as dropped:
        await asked(streamed(events))
    assert worth_waiting(dropped.value) is True


async def test_packed_bytes_that_cannot_be_unpacked_are_an_answer_cut_short() -> None:
    for raw in (streamed("not packed", "content-encoding: gzip\r\n"), refused(500, "content-encoding: gzip\r\n")):
        with pytest.raises((ModelCut, ModelOverloaded)):
            await asked(raw)


async def test_what_we_have_no_word_for_is_kept_and_echoed_and_the_rest_is_read() -> None:
    hologram: dict[str, Any] = {"type": "hologram", "beams": [1, {"x": None}]}
    odd = sent(type="weather_report", sky="blue")
    events = odd + BEGIN + block(0, hologram, {"type": "beam_delta", "beam": 2}) + odd + text(1, "hi") + end()
    answer = await asked(streamed(events))
    assert answer.message.content == (Opaque(wire=hologram), Text(text="hi"))
    assert wire.block(answer.message.content[0]) == hologram


@pytest.mark.parametrize(
    ("reason", "stop"), [("sunset", "unknown"), ("compaction", "paused"), ("pause_turn", "paused")]
)
async def test_every_reason_to_stop_has_a_meaning(reason: str, stop: str) -> None:
    assert (await asked(streamed(BEGIN + text(0, "so") + end(reason)))).stop == stop


def one_pass(kind: str, tokens: int, **more: str) -> dict[str, Any]:
    none = {"output_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    return {"type": kind, "input_tokens": tokens} | none | more


async def test_what_the_passes_of_an_answer_used_is_billed_each_by_its_model() -> None:
    advice = one_pass("advisor_message", 500, model="claude-fable-5-2")
    passes = [one_pass("compaction", 1000), advice, one_pass("message", 20), one_pass("message", 30)]
    used: dict[str, Any] = {"input_tokens": 50, "iterations": passes, "server_tool_use": {"web_search_requests": 2}}
    answer = await asked(streamed(BEGIN + text(0, "so") + end(**used)))
    opus = "claude-opus-5-5"
    assert [(one.model, one.usage.input_tokens) for one in answer.beside] == [
        (opus, 1000),
        ("claude-fable-5-2", 500),
        (opus, 20),
    ]
    assert (answer.usage.input_tokens, answer.usage.web_searches) == (30, 2)
    single: dict[str, Any] = {"input_tokens": 50, "output_tokens": 7, "iterations": [one_pass("message", 50)]}
    answer = await asked(streamed(BEGIN + text(0, "so") + end(**single)))
    assert (answer.usage.output_tokens, answer.beside) == (7, ())


async def test_counts_that_are_not_given_are_none() -> None:
    answer = await asked(streamed(BEGIN + text(0, "so") + end(server_tool_use={"web_search_requests": None})))
    assert answer.usage.web_searches == 0


async def test_a_call_without_arguments_is_one_with_none() -> None:
    answer = await asked(streamed(BEGIN + tool("") + end("tool_use")))
    assert answer.message.content == (Call(id="toolu_1", tool="notes__write", arguments={}),)


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        ("retry-after: 7\r\n", 7.0),
        ("retry-after: Wed, 21 Oct 2026 07:28:30 GMT\r\ndate: Wed, 21 Oct 2026 07:28:00 GMT\r\n", 30.0),
        ("retry-after: Wed, 21 Oct 2026 07:28:30 -0000\r\ndate: Wed, 21 Oct 2026 07:28:00 GMT\r\n", None),
        ("retry-after: Wed, 21 Oct 2026 07:28:30 GMT\r\ndate: yesterday\r\n", None),
        ("retry-after: soon\r\n", None),
        ("", None),
    ],
)
async def test_when_to_come_back_is_read_where_it_can_be_read(head: str, seconds: float | None) -> None:
    with pytest.raises(ModelOverloaded) as busy:
        await asked(refused(429, head))
    assert busy.value.retry_after == seconds


async def test_what_a_refusal_says_of_the_limits_is_heard_as_well() -> None:
    heard: list[Mapping[str, str]] = []
    with pytest.raises(ModelOverloaded):
        await asked(refused(429, "anthropic-ratelimit-requests-remaining: 0\r\n"), heard)
    assert [headers["anthropic-ratelimit-requests-remaining"] for headers in heard] == ["0"]


@pytest.mark.parametrize(("status", "words"), [(400, "prompt is too long: 210000 tokens > 200000 maximum"), (413, "x")])
async def test_a_conversation_that_outgrew_the_model_is_told_what_to_do(status: int, words: str) -> None:
    body = json.dumps({"type": "error", "error": {"type": "invalid_request_error", "message": words}})
    with pytest.raises(ModelRejected, match=r"fork it at an earlier point"):
        await asked(refused(status, body=body))


async def test_an_address_that_is_none_is_an_error_of_the_config() -> None:
    with pytest.raises(ConfigError, match="cannot be used so"):
        await ClaudeModel(Endpoint(base_url="http://a\0b", api_key="k")).ask(REQUEST, ignore)


async def test_where_there_is_no_key_that_is_said_and_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_IDENTITY_TOKEN", "alone it is not enough")
    with pytest.raises(ModelRefusedKey, match=r"no key for http://127\.0\.0\.1:9\. Set ANTHROPIC_API_KEY"):
        await ClaudeModel(Endpoint(base_url="http://127.0.0.1:9")).ask(REQUEST, ignore)


async def ignore(_: object) -> None:
    pass
