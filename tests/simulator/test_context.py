"""What leaves the context: clearing, summaries, and thinking that must come back as it was."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from simulator import summary
from simulator.request import Message

pytestmark = pytest.mark.anyio

OPUS = "claude-opus-5-5"
CONTEXT, COMPACT_AT, COMPACT = "context-management-2025-06-27", "compact-2026-01-12", "compact-2026-09-04"
TOOLS: list[Any] = [{"name": "look", "description": "Look at a thing.", "input_schema": {"type": "object"}}]


def turn(number: int, size: int = 900) -> list[Any]:
    """Return a finished turn: a call, its result, an answer."""
    use = f"toolu_{number}"
    return [
        {"role": "user", "content": f"look at thing {number}"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": use, "name": "look", "input": {"n": number}}]},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use, "content": f"thing {number} " * size}],
        },
        {"role": "assistant", "content": f"Thing {number} is well."},
    ]


def history(turns: int, size: int = 900) -> list[Any]:
    return [*(message for n in range(turns) for message in turn(n, size)), {"role": "user", "content": "thank you"}]


def asked(messages: list[Any], **more: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 8_000, "messages": messages, "tools": TOOLS} | more


def edits(*all_of_them: Any) -> dict[str, Any]:
    return {"context_management": {"edits": list(all_of_them)}, "betas": [CONTEXT, COMPACT_AT]}


CLEAR: dict[str, Any] = {"type": "clear_tool_uses_20250919", "trigger": {"type": "tool_uses", "value": 3}}


async def test_old_results_are_cleared_and_counted(client: Any) -> None:
    plain = await client.beta.messages.create(**asked(history(6)))
    edited = await client.beta.messages.create(**asked(history(6)), **edits(CLEAR))
    (applied,) = edited.context_management.applied_edits
    assert (applied.type, applied.cleared_tool_uses) == ("clear_tool_uses_20250919", 3)
    assert edited.usage.input_tokens == plain.usage.input_tokens - applied.cleared_input_tokens


async def test_a_stream_tells_of_edits_at_its_end(client: Any) -> None:
    async with client.beta.messages.stream(**asked(history(6)), **edits(CLEAR)) as stream:
        message = await stream.get_final_message()
    assert message.context_management.applied_edits[0].cleared_tool_uses == 3


async def test_counting_applies_the_edits_and_tells_what_was_there(client: Any) -> None:
    request = asked(history(6))
    request.pop("max_tokens")
    plain = await client.beta.messages.count_tokens(**request)
    edited = await client.beta.messages.count_tokens(**request, **edits(CLEAR))
    assert edited.context_management.original_input_tokens == plain.input_tokens > edited.input_tokens


@pytest.mark.parametrize(
    ("more", "cleared"),
    [
        ({"keep": {"type": "tool_uses", "value": 1}}, 5),
        ({"keep": {"type": "tool_uses", "value": 0}}, 6),
        ({"trigger": {"type": "tool_uses", "value": 6}}, 0),
        ({"trigger": {"type": "input_tokens", "value": 1_000_000}}, 0),
        ({"trigger": {"type": "input_tokens", "value": 1_000}}, 3),
        ({"clear_at_least": {"type": "input_tokens", "value": 100_000}}, 0),
        ({"clear_at_least": {"type": "input_tokens", "value": 1_000}}, 3),
        ({"exclude_tools": ["look"]}, 0),
    ],
    ids=str,
)
async def test_clearing_obeys_its_settings(client: Any, more: Any, cleared: int) -> None:
    edited = await client.beta.messages.create(**asked(history(6)), **edits(CLEAR | more))
    applied = edited.context_management.applied_edits
    assert [one.cleared_tool_uses for one in applied] == ([cleared] if cleared else [])


async def test_arguments_are_cleared_only_when_asked(client: Any) -> None:
    only = await client.beta.messages.create(**asked(history(6)), **edits(CLEAR))
    both = await client.beta.messages.create(**asked(history(6)), **edits(CLEAR | {"clear_tool_inputs": True}))
    assert both.usage.input_tokens < only.usage.input_tokens


async def thinking_history(client: Any, turns: int) -> list[Any]:
    """Return a conversation whose assistant messages carry the simulator's own thinking."""
    messages: list[Any] = []
    for number in range(turns):
        messages.append({"role": "user", "content": f'/call look {{"n": {number}}}'})
        reply = await client.beta.messages.create(**asked(messages))
        messages.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
        use = reply.content[-1].id
        messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": use, "content": "well"}]})
        reply = await client.beta.messages.create(**asked(messages))
        messages.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
    return messages


async def talked(client: Any, *texts: str, **more: Any) -> list[Any]:
    """Return a conversation of words only."""
    messages: list[Any] = []
    for text in texts:
        messages.append({"role": "user", "content": text})
        reply = await client.beta.messages.create(**asked(messages, **more))
        messages.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
    return messages


async def test_old_thinking_is_cleared_and_counted(client: Any) -> None:
    messages = [*await talked(client, "one", "two", "three"), {"role": "user", "content": "four"}]
    keep = {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}}
    edited = await client.beta.messages.create(**asked(messages), **edits(keep))
    (applied,) = edited.context_management.applied_edits
    assert applied.cleared_thinking_turns == 2
    assert applied.cleared_input_tokens > 0
    whole = await client.beta.messages.create(
        **asked(messages), **edits({"type": "clear_thinking_20251015", "keep": "all"})
    )
    assert whole.context_management.applied_edits == []


async def test_an_append_only_conversation_keeps_its_thinking(client: Any) -> None:
    messages = await thinking_history(client, 3)
    assert (
        sum(
            block["type"] == "thinking"
            for message in messages
            for block in message["content"]
            if isinstance(block, dict)
        )
        >= 3
    )
    await client.beta.messages.create(**asked([*messages, {"role": "user", "content": "and now?"}]))


CHANGES: dict[str, Any] = {
    "the system prompt": {"system": "another"},
    "a tool": {"tools": [TOOLS[0] | {"description": "Look again."}]},
}


@pytest.mark.parametrize("change", CHANGES)
async def test_thinking_does_not_survive_another_prefix(client: Any, change: str) -> None:
    messages = [*await talked(client, "one", "two"), {"role": "user", "content": "three"}]
    with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
        await client.beta.messages.create(**asked(messages, **CHANGES[change]))


async def test_thinking_does_not_survive_an_earlier_message_left_out(client: Any) -> None:
    messages = [*await talked(client, "one", "two"), {"role": "user", "content": "three"}]
    with pytest.raises(anthropic.BadRequestError, match="bound to a different conversation"):
        await client.beta.messages.create(**asked(messages[2:]))


async def test_moved_thinking_can_be_dropped_instead_and_is_reported(client: Any) -> None:
    messages = [*await talked(client, "one", "two"), {"role": "user", "content": "three"}]
    thinking = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    reply = await client.beta.messages.create(
        **asked(messages, system="another", thinking=thinking), betas=["thinking-binding-controls-2026-08-01"]
    )
    dropped = reply.input_transformations
    assert [one.reason for one in dropped] == ["prefix_binding_mismatch"] * 2
    assert dropped[0].path == "messages.1.content.0"


async def test_cache_markers_and_the_form_of_content_do_not_move_thinking(client: Any) -> None:
    messages = [*await talked(client, "one"), {"role": "user", "content": "two"}]
    messages[0] = {"role": "user", "content": [{"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}}]}
    await client.beta.messages.create(**asked(messages, cache_control={"type": "ephemeral"}))


async def test_thinking_of_another_model_is_dropped_without_a_word(client: Any) -> None:
    messages = [*await talked(client, "one"), {"role": "user", "content": "two"}]
    reply = await client.beta.messages.create(**asked(messages, model="claude-fable-5-1"))
    assert reply.stop_reason == "end_turn"


async def test_thinking_may_not_be_left_out_of_the_latest_message(client: Any) -> None:
    reply = await client.beta.messages.create(**asked([{"role": "user", "content": "look at the thing"}]))
    assert reply.content[0].type == "thinking"
    blocks = [block.to_dict() for block in reply.content]
    result = {"type": "tool_result", "tool_use_id": reply.content[-1].id, "content": "well"}
    cut = [{"role": "user", "content": "look at the thing"}, {"role": "assistant", "content": blocks[1:]}]
    with pytest.raises(anthropic.BadRequestError, match="latest assistant message cannot be modified"):
        await client.beta.messages.create(**asked([*cut, {"role": "user", "content": [result]}]))


async def test_a_summary_on_demand_replaces_the_conversation(client: Any) -> None:
    messages = [*await talked(client, "the code word is heron", "and remember 42"), {"role": "user", "content": "good"}]
    system = {"system": "Be kind."}
    summarised = await client.beta.messages.create(**asked(messages), compaction={"type": "summarize"}, betas=[COMPACT])
    (block,) = summarised.content
    assert (summarised.stop_reason, block.type) == ("compaction", "compaction")
    assert "heron" in block.content
    assert "42" in block.content
    assert summarised.usage.input_tokens == summarised.usage.output_tokens == 0
    (iteration,) = summarised.usage.iterations
    assert iteration.type == "compaction"
    assert iteration.input_tokens > 0 < iteration.output_tokens
    later = [{"role": "assistant", "content": [block.to_dict()]}, {"role": "user", "content": "hello again"}]
    answer = await client.beta.messages.create(**asked(later, **system), betas=[COMPACT])
    assert answer.stop_reason == "end_turn"
    grown = [
        *later,
        {"role": "assistant", "content": [one.to_dict() for one in answer.content]},
        {"role": "user", "content": "x"},
    ]
    assert (await client.beta.messages.create(**asked(grown, **system), betas=[COMPACT])).stop_reason == "end_turn"


async def test_a_changed_summary_is_told_from_a_forged_one(client: Any) -> None:
    messages = [*await talked(client, "one"), {"role": "user", "content": "two"}]
    reply = await client.beta.messages.create(**asked(messages), compaction={"type": "summarize"}, betas=[COMPACT])
    block = reply.content[0].to_dict()
    for changed, code in (
        (block | {"content": "other"}, "compaction_content_mismatch"),
        (
            block | {"tool_changes": [{"type": "tool_removal", "tool": {"type": "tool_reference", "name": "look"}}]},
            "compaction_tool_changes_mismatch",
        ),
        (block | {"signature": "x"}, "compaction_signature_invalid"),
    ):
        later = [{"role": "assistant", "content": [changed]}, {"role": "user", "content": "x"}]
        with pytest.raises(anthropic.BadRequestError) as raised:
            await client.beta.messages.create(**asked(later), betas=[COMPACT])
        assert raised.value.error_code == code
    alone = [{"role": "assistant", "content": [block]}]
    with pytest.raises(anthropic.BadRequestError) as raised:
        await client.beta.messages.create(**asked(alone), compaction={"type": "summarize"}, betas=[COMPACT])
    assert raised.value.error_code == "compaction_nothing_to_summarize"


async def test_a_summary_too_long_for_max_tokens_is_no_summary(client: Any) -> None:
    request = asked(history(3)) | {"max_tokens": 10}
    reply = await client.beta.messages.create(**request, compaction={"type": "summarize"}, betas=[COMPACT])
    assert (reply.content, reply.stop_reason) == ([], "max_tokens")


async def test_instructions_keep_what_they_name() -> None:
    text = "A beginning. " * 100 + "\nThe heron flies at noon."
    messages = [
        Message.model_validate({"role": "user", "content": text}),
        Message.model_validate({"role": "user", "content": "x"}),
    ]
    assert "heron flies" not in summary.summarize(messages)
    assert "heron flies" in summary.summarize(messages, "Keep all about the heron")


AT_50K: dict[str, Any] = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}


async def test_passing_the_trigger_puts_a_summary_first_and_goes_on(client: Any) -> None:
    messages = [*history(20, 1_200)[:-1], {"role": "user", "content": "look at the last thing"}]
    first = await client.beta.messages.create(**asked(messages), **edits(AT_50K))
    assert [block.type for block in first.content][:2] == ["compaction", "thinking"]
    assert first.stop_reason == "tool_use"
    kinds = [one.type for one in first.usage.iterations]
    assert kinds == ["compaction", "message"]
    assert first.usage.iterations[0].input_tokens > 50_000 > first.usage.input_tokens
    result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "all is well with the last thing"}
    content = [block.to_dict() for block in first.content]
    for before in (messages, []):  # what the summary stands for may be sent or left out
        grown = [*before, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
        last = await client.beta.messages.create(**asked(grown), **edits(AT_50K))
        assert "all is well" in last.content[-1].text
        assert last.stop_reason == "end_turn"
        assert last.usage.input_tokens < 50_000


async def test_a_summary_in_the_middle_of_a_turn_repeats_no_call(client: Any) -> None:
    use = {"type": "tool_use", "id": "toolu_last", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_last", "content": "the last thing is blue"}
    ask = {"role": "user", "content": "look at the last thing"}
    messages = [
        *history(20, 1_200)[:-1],
        ask,
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    reply = await client.beta.messages.create(**asked(messages), **edits(AT_50K))
    assert [block.type for block in reply.content] == ["compaction", "thinking", "text"]
    assert "blue" in reply.content[-1].text


async def test_it_can_pause_after_the_summary(client: Any) -> None:
    messages = history(20, 1_200)
    pause = AT_50K | {"pause_after_compaction": True, "instructions": "Keep the numbers."}
    async with client.beta.messages.stream(**asked(messages), **edits(pause)) as stream:
        paused = await stream.get_final_message()
    assert paused.stop_reason == "compaction"
    (block,) = paused.content
    assert "thank you" in block.content
    kept = [{"role": "assistant", "content": [block.to_dict()]}]
    assert (await client.beta.messages.create(**asked(kept), **edits(pause))).stop_reason == "end_turn"


async def test_below_the_trigger_nothing_happens(client: Any) -> None:
    reply = await client.beta.messages.create(**asked(history(3)), **edits(AT_50K))
    assert reply.content[0].type == "thinking"


async def test_a_summary_of_a_summary_keeps_the_request_and_stays_small(client: Any) -> None:
    messages: list[Any] = [Message.model_validate(one) for one in history(40, 50)]
    first = summary.summarize(messages)
    block = Message.model_validate({"role": "assistant", "content": [{"type": "compaction", "content": first}]})
    again = summary.summarize([block])
    assert summary.recovered_request(again) == "thank you"
    assert len(again) <= len(first) + 200 < 40_000
