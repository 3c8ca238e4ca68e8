"""Whatever is sent, the simulator answers as the API would: never with a bug of its own."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.app import Settings, build

MARK = {"type": "ephemeral"}
SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "enum": ["a", "b"]},
        "max_lines": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "names": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["path"],
}
RICH: dict[str, Any] = {
    "model": "claude-opus-5-5",
    "max_tokens": 500,
    "system": [{"type": "text", "text": "Be kind.", "cache_control": MARK}],
    "tools": [
        {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
        {"name": "read", "description": "Read files.", "input_schema": SCHEMA, "input_examples": [{"path": "a"}]},
        {"name": "later", "description": "List things.", "input_schema": SCHEMA, "defer_loading": True},
    ],
    "messages": [
        {"role": "user", "content": "read the first 3 lines of a.txt"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "toolu_1",
                    "content": [{"type": "text", "text": '{"rows": [[1]]}'}],
                }
            ],
        },
        {"role": "assistant", "content": [{"type": "compaction", "content": "The user's last request:\nread on"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "list things and read b.txt", "cache_control": MARK},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
            ],
        },
        {"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "later"}}]},
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "adaptive", "display": "summarized"},
    "output_config": {
        "effort": "low",
        "format": {"type": "json_schema", "schema": SCHEMA | {"additionalProperties": False}},
    },
    "context_management": {
        "edits": [
            {"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 1}},
            {
                "type": "clear_tool_uses_20250919",
                "trigger": {"type": "tool_uses", "value": 0},
                "keep": {"type": "tool_uses", "value": 0},
            },
        ]
    },
    "diagnostics": {"previous_message_id": "msg_1"},
    "fallbacks": [{"model": "claude-opus-5"}],
    "stop_sequences": ["never"],
}
BETAS = (
    "context-management-2025-06-27,compact-2026-01-12,compact-2026-09-04,server-side-fallback-2026-07-01,"
    "mid-conversation-tool-changes-2026-07-01"
)
HEADERS = {
    "x-api-key": "k",
    "anthropic-version": "2026-10-21",
    "anthropic-beta": BETAS,
    "content-type": "application/json",
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.text(max_size=6)
    | st.sampled_from([1.5, "object", "text", "{", "/call x {"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "$ref", "anyOf", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        yield from places(one, (*path, key))


PLACES = [path for path in places(RICH) if path]


def changed(path: tuple[Any, ...], value: Any, remove: bool) -> dict[str, Any]:
    body = copy.deepcopy(RICH)
    parent: Any = body
    for key in path[:-1]:
        parent = parent[key]
    if remove:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    return body


async def sent(body: Any, path: str = "/v1/messages") -> httpx2.Response:
    transport = httpx2.ASGITransport(app=build(Settings()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://any", headers=HEADERS) as client:
        return await client.post(path, content=json.dumps(body).encode())


def test_the_request_that_is_changed_is_a_good_one() -> None:
    answer = anyio.run(sent, RICH)
    assert answer.status_code == 200, answer.text


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(PLACES), JSON, st.booleans(), st.booleans())
def test_a_request_with_any_part_changed_is_answered_or_refused(
    path: tuple[Any, ...], value: Any, remove: bool, streamed: bool
) -> None:
    body = changed(path, value, remove)
    if path != ("stream",):
        body["stream"] = streamed
    answer = anyio.run(sent, body)
    assert answer.status_code in (200, 400, 404), answer.text
    if answer.status_code != 200:
        assert answer.json()["error"]["message"]


@settings(max_examples=100, deadline=None)
@given(JSON)
def test_any_json_at_all_is_refused_in_the_form_of_the_api(value: Any) -> None:
    answer = anyio.run(sent, value)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
