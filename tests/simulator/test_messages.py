"""`/v1/messages` through the SDK: order of events, usage, headers, faults."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import pytest

from simulator.faults import PASS, Fault
from simulator.serving import Settings

pytestmark = pytest.mark.anyio

MODEL = "claude-opus-5-5"
TOOLS: list[Any] = [
    {
        "name": "files__fs_list",
        "description": "List the files of a folder.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
    {
        "name": "files__fs_read",
        "description": "Read a file.",
        "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    },
]
ASK: list[Any] = [{"role": "user", "content": "list the files here, then show me README.md"}]


def asked(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1024, "messages": ASK, "tools": TOOLS} | more


def answered(message: Any, text: str = "alpha") -> list[Any]:
    """Return the conversation after `message`, each of its calls answered with `text`."""
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": text}
        for block in message.content
        if block.type == "tool_use"
    ]
    content = [block.to_dict() for block in message.content]
    return [*ASK, {"role": "assistant", "content": content}, {"role": "user", "content": results}]


async def test_a_turn_runs_from_words_to_calls_to_an_answer_from_the_results(client: Any) -> None:
    first = await client.beta.messages.create(**asked())
    assert first.stop_reason == "tool_use"
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
    last = await client.beta.messages.create(**asked(messages=answered(first)))
    assert last.stop_reason == "end_turn"
    assert "alpha" in last.content[-1].text


async def test_a_stream_has_the_events_of_the_api_in_their_order(client: Any) -> None:
    stream = await client.beta.messages.create(
        **asked(stream=True, thinking={"type": "adaptive", "display": "summarized"})
    )
    kinds = [event.type async for event in stream]
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 4


async def test_a_stream_adds_up_to_what_create_returns(client: Any) -> None:
    whole = (await client.beta.messages.create(**asked())).to_dict()
    async with client.beta.messages.stream(**asked()) as stream:
        added = (await stream.get_final_message()).to_dict()
    for message in (whole, added):
        message.pop("id")
        for block in message["content"]:
            block.pop("id", None)
    assert added == whole


async def test_the_bytes_of_a_stream_are_those_of_the_api(client: Any) -> None:
    async with client.messages.with_streaming_response.create(**asked(stream=True, tools=[])) as response:
        text = (await response.read()).decode()
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = text.split("\n\n")
    assert frames.pop() == ""
    assert all(frame.startswith("event: ") and "\ndata: {" in frame for frame in frames)
    opening = (
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"thinking"'
    )
    assert frames[1].startswith(opening)
    assert 'event: ping\ndata: {"type":"ping"}' in frames
    assert "signature_delta" in frames[2]


async def test_arguments_are_streamed_in_pieces_that_join_to_their_json(client: Any) -> None:
    text = '/call x__y {"words": "' + "tea " * 40 + '", "n": [1, 2]}'
    stream = await client.beta.messages.create(**asked(messages=[{"role": "user", "content": text}], stream=True))
    pieces = [
        event.delta.partial_json
        async for event in stream
        if event.type == "content_block_delta" and event.delta.type == "input_json_delta"
    ]
    assert pieces[0] == ""
    assert len(pieces) > 5
    assert "".join(pieces) == text.removeprefix("/call x__y ")


async def test_usage_and_count_tokens_agree(client: Any) -> None:
    message = await client.beta.messages.create(**asked())
    request = asked()
    request.pop("max_tokens")
    counted = await client.beta.messages.count_tokens(**request)
    assert message.usage.input_tokens == counted.input_tokens > 300
    assert message.usage.output_tokens > 20


async def test_an_answer_longer_than_max_tokens_is_cut_and_says_so(client: Any) -> None:
    message = await client.beta.messages.create(**asked(max_tokens=5, thinking=None, model="claude-opus-4-8"))
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= 5


async def test_a_cut_call_has_only_its_complete_arguments(client: Any) -> None:
    words = [{"role": "user", "content": '/call x__y {"a": 1, "b": "' + "long " * 100 + '"}'}]
    message = await client.beta.messages.create(**asked(messages=words, max_tokens=60))
    assert message.stop_reason == "max_tokens"
    assert message.content[-1].input == {"a": 1}


async def test_a_stop_sequence_ends_the_answer_before_it(client: Any) -> None:
    words = [{"role": "user", "content": "hello"}]
    message = await client.beta.messages.create(**asked(messages=words, stop_sequences=["stand-in"]))
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "stand-in")
    assert "stand-in" not in message.content[-1].text


async def test_parallel_calls_can_be_switched_off(client: Any) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    message = await client.beta.messages.create(**asked(tool_choice=choice))
    assert [block.type for block in message.content].count("tool_use") == 1


async def test_both_ways_to_send_a_key_are_let_in_and_none_is_refused(client: Any) -> None:
    async with httpx2.AsyncClient(base_url=str(client.base_url), timeout=60) as http:
        version = {"anthropic-version": "2023-06-01"}
        for key in ({"authorization": "Bearer k"}, {"x-api-key": "k"}):
            assert (await http.get("/v1/models", headers=version | key)).status_code == 200
        refused = await http.get("/v1/models", headers=version)
    assert refused.status_code == 401
    assert refused.json()["error"] == {"type": "authentication_error", "message": "x-api-key header is required"}
    assert refused.json()["request_id"] == refused.headers["request-id"]


async def test_a_wrong_key_is_refused_where_keys_are_given(talk: Any) -> None:
    async with talk(Settings(api_keys=frozenset({"right"})), api_key="wrong") as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.models.list()


async def test_models_are_listed_in_pages_and_found_by_alias(client: Any) -> None:
    ids = [model.id async for model in client.beta.models.list(limit=4)]
    assert len(ids) == len(set(ids)) > 15
    haiku = await client.beta.models.retrieve("claude-haiku-4-5")
    assert haiku.id == "claude-haiku-4-5-20251001"
    assert haiku.max_input_tokens == 200_000
    with pytest.raises(anthropic.NotFoundError):
        await client.beta.models.retrieve("claude-none")


FAULTS = {
    "400": anthropic.BadRequestError,
    "401": anthropic.AuthenticationError,
    "402": anthropic.PaymentRequiredError,
    "403": anthropic.PermissionDeniedError,
    "404": anthropic.NotFoundError,
    "413": anthropic.ContentTooLargeError,
    "429": anthropic.RateLimitError,
    "500": anthropic.InternalServerError,
    "502": anthropic.InternalServerError,
    "529": anthropic.OverloadedError,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_status_on_demand_reaches_the_sdk_as_its_class(client: Any, fault: str) -> None:
    with pytest.raises(FAULTS[fault]) as raised:
        await client.beta.messages.create(**asked(extra_headers={"x-simulator-fault": fault}))
    assert (raised.value.request_id or "").startswith("req_")


async def test_faults_by_script_meet_one_request_each(talk: Any) -> None:
    script = Settings(faults=(Fault("529"), PASS, Fault("429", retry_after="7")))
    async with talk(script) as client:
        with pytest.raises(anthropic.OverloadedError):
            await client.beta.messages.create(**asked())
        assert (await client.beta.messages.create(**asked())).stop_reason == "tool_use"
        with pytest.raises(anthropic.RateLimitError) as raised:
            await client.beta.messages.create(**asked())
        assert raised.value.response.headers["retry-after"] == "7"
        assert (await client.beta.messages.create(**asked())).stop_reason == "tool_use"


async def test_an_error_can_carry_its_code(client: Any) -> None:
    with pytest.raises(anthropic.OverloadedError) as raised:
        await client.beta.messages.create(
            **asked(extra_headers={"x-simulator-fault": "529 code=compaction_unavailable"})
        )
    assert raised.value.error_code == "compaction_unavailable"


async def test_retry_after_can_be_a_date(client: Any) -> None:
    with pytest.raises(anthropic.RateLimitError) as raised:
        await client.beta.messages.create(**asked(extra_headers={"x-simulator-fault": "429 retry-after=date:60"}))
    assert raised.value.response.headers["retry-after"].endswith("GMT")


async def streamed(client: Any, fault: str) -> Any:
    async with client.beta.messages.stream(**asked(extra_headers={"x-simulator-fault": fault})) as stream:
        return await stream.get_final_message()


@pytest.mark.parametrize("after", [0, 4])
async def test_overload_in_a_stream_is_a_status_error_of_200(client: Any, after: int) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        await streamed(client, f"overloaded after={after}")
    assert raised.value.status_code == 200
    assert raised.value.type == "overloaded_error"


async def test_a_cut_connection_is_a_protocol_error(client: Any) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        await streamed(client, "cut")


async def test_a_reset_connection_is_a_read_error(client: Any) -> None:
    with pytest.raises(httpx2.ReadError):
        await streamed(client, "reset")


async def test_a_silent_end_raises_nothing_and_has_no_stop_reason(client: Any) -> None:
    assert (await streamed(client, "end")).stop_reason is None


async def test_silence_is_a_read_timeout(talk: Any) -> None:
    async with talk(timeout=2.0) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await streamed(client, "stall after=4")


async def test_an_empty_answer_leaves_no_message(client: Any) -> None:
    with pytest.raises(AssertionError):
        await streamed(client, "empty")


async def test_cut_arguments_look_whole_to_the_sdk(client: Any) -> None:
    """The stream says `tool_use`, its arguments are not what was meant: a host has to check them against the schema."""
    words = [{"role": "user", "content": '/call files__fs_read {"path": "README.md"}'}]
    headers = {"x-simulator-fault": "cut-arguments after=12"}
    async with client.beta.messages.stream(**asked(messages=words, extra_headers=headers)) as stream:
        message = await stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert message.content[-1].input == {}


async def test_an_event_that_is_no_json_breaks_the_stream(client: Any) -> None:
    with pytest.raises(ValueError, match=r"JSON|Unterminated|Expecting"):
        await streamed(client, "bad-json")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("overloaded", anthropic.InternalServerError),
        ("stall seconds=60", anthropic.APITimeoutError),
        ("cut", anthropic.APIConnectionError),
        ("reset", anthropic.APIConnectionError),
        ("end", ValueError),
        ("bad-json", ValueError),
    ],
)
async def test_a_fault_of_streams_meets_an_answer_in_one_piece_too(talk: Any, fault: str, error: Any) -> None:
    async with talk(timeout=2.0 if "stall" in fault else 60.0) as client:
        with pytest.raises(error):
            await client.beta.messages.create(**asked(extra_headers={"x-simulator-fault": fault}))


async def test_an_answer_in_one_piece_takes_the_time_to_write_it(talk: Any) -> None:
    async with talk(Settings(tokens_per_second=0.1), timeout=2.0) as client:
        with pytest.raises(anthropic.APITimeoutError):
            await client.beta.messages.create(**asked())


async def test_a_page_instead_of_an_answer_is_a_string(client: Any) -> None:
    page = await client.beta.messages.create(**asked(extra_headers={"x-simulator-fault": "html"}))
    assert isinstance(page, str)
    assert "guest network" in page


async def test_a_fault_that_does_not_exist_says_which_do(client: Any) -> None:
    with pytest.raises(anthropic.BadRequestError, match="overloaded, stall, cut"):
        await client.beta.messages.create(**asked(extra_headers={"x-simulator-fault": "gremlins"}))
