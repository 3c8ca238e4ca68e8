"""Answers of a special kind: in a format, forced, refused, by a fallback."""

from __future__ import annotations

import json
from typing import Any, Literal

import anthropic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from simulator import instance

pytestmark = pytest.mark.anyio

OPUS = "claude-opus-5-5"
FALLBACK = "server-side-fallback-2026-07-01"
TOOL: dict[str, Any] = {
    "name": "weigh",
    "description": "Weigh a thing.",
    "input_schema": {"type": "object", "properties": {"thing": {"type": "string"}}, "required": ["thing"]},
}


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 2_000, "messages": [{"role": "user", "content": text}]} | more


class Address(BaseModel):
    street: str
    number: int


class Person(BaseModel):
    name: str
    age: int
    kind: Literal["friend", "stranger"]
    addresses: list[Address]
    note: str | None = None


async def test_parse_gives_an_object_of_the_class_that_was_asked_for(client: Any) -> None:
    text = 'a stranger called "Ann" who is 33'
    message = await client.beta.messages.parse(**asked(text), output_format=Person)
    person = message.parsed_output
    assert isinstance(person, Person)
    assert (person.name, person.age, person.kind) == ("Ann", 33, "stranger")
    async with client.beta.messages.stream(**asked(text), output_format=Person) as stream:
        streamed = await stream.get_final_message()
    assert streamed.parsed_output == person


async def test_an_object_in_the_words_is_the_answer_if_it_fits(client: Any) -> None:
    given = {"street": "Long Road", "number": 7}
    message = await client.beta.messages.parse(**asked(f"as JSON: {json.dumps(given)}"), output_format=Address)
    assert message.parsed_output == Address(street="Long Road", number=7)


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "minLength": 3, "maxLength": 9},
        {"type": "string", "format": "date"},
        {"type": "integer"},
        {"type": "integer", "minimum": 5},
        {"type": "number", "maximum": -1},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["a", 1, None]},
        {"const": {"x": 1}},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
    ]
)


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    objects = st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
        lambda p: {"type": "object", "properties": p, "required": list(p), "additionalProperties": False}
    )
    return st.one_of(objects, inner.map(lambda i: {"type": "array", "items": i, "minItems": 1}))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(LEAVES, grown, max_leaves=8), st.text(max_size=40))
def test_what_is_made_for_a_schema_always_fits_it(schema: Any, text: str) -> None:
    made = json.loads(instance.fitting(schema, "said", text))
    Draft202012Validator(schema).validate(made)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "weigh"}], ids=["any", "tool"])
async def test_a_forced_choice_calls_a_tool_where_the_model_can_be_forced(client: Any, choice: Any) -> None:
    message = await client.beta.messages.create(
        **asked("hello", model="claude-opus-4-8", tools=[TOOL], tool_choice=choice)
    )
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert call.name == "weigh"
    assert isinstance(call.input["thing"], str)


async def test_no_tool_is_called_when_none_may_be(client: Any) -> None:
    message = await client.beta.messages.create(**asked("/call weigh {}", tools=[TOOL], tool_choice={"type": "none"}))
    assert message.stop_reason == "end_turn"


async def test_a_refusal_is_an_ordinary_answer_with_its_reason(client: Any) -> None:
    async with client.beta.messages.stream(**asked("/refuse cyber")) as stream:
        message = await stream.get_final_message()
    assert (message.stop_reason, message.stop_details.category) == ("refusal", "cyber")
    assert message.content == []
    again = await client.beta.messages.create(**asked("ANTHROPIC_MAGIC_STRING_TRIGGER_REFUSAL_1FAE"))
    assert again.stop_reason == "refusal"


async def test_a_fallback_serves_what_the_model_refused(client: Any) -> None:
    request = asked("/refuse bio", fallbacks=[{"model": "claude-opus-5"}], betas=[FALLBACK])
    async with client.beta.messages.stream(**request) as stream:
        message = await stream.get_final_message()
    assert message.model == "claude-opus-5"
    assert message.content[0].to_dict() == {
        "type": "fallback",
        "from": {"model": OPUS},
        "to": {"model": "claude-opus-5"},
        "trigger": {"type": "refusal", "category": "bio"},
    }
    assert [one.type for one in message.usage.iterations] == ["message", "fallback_message"]
    assert message.stop_reason == "end_turn"
    content = [block.to_dict() for block in message.content]
    messages = [
        {"role": "user", "content": "/refuse bio"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": "hello"},
    ]
    assert (await client.beta.messages.create(**asked("", messages=messages))).stop_reason == "end_turn"


async def test_a_credit_that_was_never_given_is_refused_or_not_applied(client: Any) -> None:
    betas = ["fallback-credit-2026-07-01"]
    with pytest.raises(anthropic.BadRequestError, match="invalid or expired"):
        await client.beta.messages.create(**asked("hello"), fallback_credit_token="t", betas=betas)
    token = {"token": "t", "mode": "best_effort"}
    message = await client.beta.messages.create(**asked("hello"), fallback_credit_token=token, betas=betas)
    assert message.usage.fallback_credit.status.type == "not_applied"


async def test_when_all_refuse_the_answer_is_a_refusal(client: Any) -> None:
    message = await client.beta.messages.create(**asked("/refuse everywhere", fallbacks="default"), betas=[FALLBACK])
    assert message.stop_reason == "refusal"
    assert [one.type for one in message.usage.iterations] == ["message", "fallback_message", "fallback_message"]


@pytest.mark.parametrize(("display", "shown"), [("summarized", True), ("omitted", False), (None, False)])
async def test_thinking_is_shown_only_when_asked(client: Any, display: Any, shown: bool) -> None:
    thinking = {"type": "adaptive"} | ({"display": display} if display else {})
    message = await client.beta.messages.create(**asked("hello", thinking=thinking))
    assert message.content[0].type == "thinking"
    assert bool(message.content[0].thinking) is shown
    assert message.content[0].signature
    assert message.usage.output_tokens_details.thinking_tokens > 0


@pytest.mark.parametrize(("config", "shown"), [(None, False), ({"type": "between_tools"}, True)])
async def test_between_calls_sonnet_speaks_in_thinking(client: Any, config: Any, shown: bool) -> None:
    more = {"thinking": config} if config else {}
    message = await client.beta.messages.create(
        **asked('/call weigh {"thing": "tea"}', model="claude-sonnet-5-5", tools=[TOOL], **more)
    )
    assert {block.type for block in message.content} == {"thinking", "tool_use"}
    assert ("I call" in message.content[-2].thinking) is shown


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("claude-opus-5", {"type": "disabled"}),
        ("claude-sonnet-5-5", {"type": "between_tools"}),
        ("claude-opus-4-8", None),
    ],
)
async def test_a_model_that_does_not_think_has_no_thinking(client: Any, model: str, config: Any) -> None:
    more = {"thinking": config} if config else {}
    message = await client.beta.messages.create(**asked("hello", model=model, **more))
    assert [block.type for block in message.content] == ["text"]
