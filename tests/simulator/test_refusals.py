"""Malformed requests: each gets the API's status, error type and words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from simulator.serving import Settings, running

pytestmark = pytest.mark.anyio

OPUS, OLD = "claude-opus-5-5", "claude-haiku-4-5"
USE = {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
TOOL: dict[str, Any] = {"name": "t", "input_schema": {"type": "object", "properties": {}}}
USER: dict[str, Any] = {"role": "user", "content": "hi"}
MARK = {"type": "ephemeral"}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def system(*blocks: Any, **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": list(blocks)} | more


def text(words: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words} | more


def tool(**more: Any) -> dict[str, Any]:
    return TOOL | more


@dataclass(frozen=True)
class Bad:
    """One malformed request: what differs from a good one, and the answer."""

    name: str
    words: str
    body: dict[str, Any] = field(default_factory=dict)
    betas: str = ""
    status: int = 400
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def messages(*all_of_them: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(all_of_them)} | more


def schema(**more: Any) -> dict[str, Any]:
    return {"tools": [tool(input_schema={"type": "object"} | more)]}


FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {}, "additionalProperties": False}}
SERVER = {"type": "url", "url": "https://mcp.example.com/mcp", "name": "s"}
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "s"}
MCP = "mcp-client-2025-11-20"
CONTEXT, COMPACT_AT, COMPACT = "context-management-2025-06-27", "compact-2026-01-12", "compact-2026-09-04"
CHANGES, INLINE = "mid-conversation-tool-changes-2026-07-01", "inline-tools-2026-09-15"
FALLBACK = "server-side-fallback-2026-07-01"
MARKED = [text(f"{n}", cache_control=MARK) for n in range(4)]
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}

SHAPE = [
    Bad("no model", "model: Field required", {"model": None}),
    Bad("unknown model", "model: claude-nine", {"model": "claude-nine"}, status=404),
    Bad("no max_tokens", "max_tokens: Field required", {"max_tokens": None}),
    Bad("too many tokens", "max_tokens: 200000 > 128000, which is the maximum", {"max_tokens": 200_000}),
    Bad("max_tokens as text", "max_tokens: Input should be a valid integer", {"max_tokens": "10"}),
    Bad("unknown field", "colour: Extra inputs are not permitted", {"colour": "red"}),
    Bad("unknown field in a block", "messages.0.content.0.text.bold: Extra inputs", messages(user(text(bold=True)))),
    Bad(
        "unknown block", "Input tag 'hologram' found using 'type' does not match", messages(user({"type": "hologram"}))
    ),
    Bad(
        "unknown role",
        "messages.0.role: Input should be 'user', 'assistant'",
        messages({"role": "bot", "content": "x"}),
    ),
    Bad("block without its text", "messages.0.content.0.text.text: Field required", messages(user({"type": "text"}))),
    Bad(
        "content of no kind",
        "messages.0.content: Input should be a valid list",
        messages({"role": "user", "content": 5}),
    ),
    Bad("no messages", "messages: at least one message is required", messages()),
    Bad("temperature with the current version", "temperature: this parameter is not supported", {"temperature": 1.0}),
    Bad(
        "image of an unknown kind",
        "media_type: Input should be",
        messages(user({"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "x"}})),
    ),
]
PAIRS = [
    Bad("empty text", "messages: text content blocks must be non-empty", messages(user(text("")))),
    Bad("blank text", "text content blocks must contain non-whitespace text", messages(user(text("  \n")))),
    Bad("empty string", "messages: text content blocks must be non-empty", messages({"role": "user", "content": ""})),
    Bad("empty content", "messages.0: all messages must have non-empty content except", messages(user())),
    Bad("empty system", "system: text content blocks must be non-empty", {"system": [text("")]}),
    Bad("assistant first", 'first message must use the "user" role', messages(assistant(text()), USER)),
    Bad(
        "call without result",
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: "
        "toolu_1. Each `tool_use` block must have",
        messages(USER, assistant(USE), user(text()), tools=[TOOL]),
    ),
    Bad(
        "result after text",
        "`tool_use` ids were found without `tool_result` blocks immediately after",
        messages(USER, assistant(USE), user(text(), RESULT), tools=[TOOL]),
    ),
    Bad(
        "one of two results",
        "immediately after: toolu_2.",
        messages(USER, assistant(USE, USE | {"id": "toolu_2"}), user(RESULT), tools=[TOOL]),
    ),
    Bad(
        "result without call",
        "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1.",
        messages(user(RESULT)),
    ),
    Bad(
        "result for an older call",
        "unexpected `tool_use_id`",
        messages(USER, assistant(USE), user(RESULT), assistant(text()), user(RESULT), tools=[TOOL]),
    ),
    Bad(
        "result twice",
        "each tool_use must have a single result",
        messages(USER, assistant(USE), user(RESULT, RESULT), tools=[TOOL]),
    ),
    Bad("id twice", "`tool_use` ids must be unique", messages(USER, assistant(USE, USE), user(RESULT), tools=[TOOL])),
    Bad(
        "empty error result",
        "content cannot be empty if `is_error` is true",
        messages(USER, assistant(USE), user(RESULT | {"content": [], "is_error": True}), tools=[TOOL]),
    ),
    Bad("call by the user", "`tool_use` blocks can only be in `assistant` messages", messages(user(USE))),
    Bad(
        "result by the assistant", "`tool_result` blocks can only be in `user`", messages(USER, assistant(RESULT), USER)
    ),
    Bad(
        "thinking by the user",
        "`thinking` blocks can only be in `assistant`",
        messages(user({"type": "thinking", "thinking": "x", "signature": "s"})),
    ),
    Bad(
        "picture by the assistant",
        "`image` blocks can only be in `user` messages",
        messages(USER, assistant(PNG), USER),
    ),
    Bad(
        "document by the assistant",
        "document blocks are not supported in assistant messages",
        messages(
            USER,
            assistant({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}),
            USER,
        ),
    ),
    Bad(
        "citations by the user", "citations must be empty in user messages", messages(user(text(citations=[{"a": 1}])))
    ),
    Bad("prefill", "This model does not support assistant message prefill.", messages(USER, assistant(text("Well,")))),
]
TOOLS = [
    Bad(
        "name with a dot",
        "tools.0.custom.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'",
        {"tools": [tool(name="a.b")]},
    ),
    Bad(
        "name too long",
        "tools.0.custom.name: String should have at most 128 characters",
        {"tools": [tool(name="a" * 129)]},
    ),
    Bad("names twice", "tools: Tool names must be unique.", {"tools": [TOOL, TOOL]}),
    Bad("no schema", "tools.0.custom.input_schema: Field required", {"tools": [{"name": "t"}]}),
    Bad("schema without type", "input_schema.type: Field required", {"tools": [tool(input_schema={})]}),
    Bad(
        "schema of a list",
        "input_schema.type: Input should be 'object'",
        {"tools": [tool(input_schema={"type": "array"})]},
    ),
    Bad(
        "anyOf at the top", "input_schema does not support oneOf, allOf, or anyOf at the top level", schema(anyOf=[{}])
    ),
    Bad("property key", "Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'", schema(properties={"a b": {}})),
    Bad(
        "invalid schema",
        "JSON schema is invalid. It must match JSON Schema draft 2020-12",
        schema(properties={"a": {"type": "strin"}}),
    ),
    Bad(
        "example that does not fit",
        "tools.0.custom.input_examples.0",
        {"tools": [tool(input_schema={"type": "object", "required": ["a"]}, input_examples=[{}])]},
    ),
    Bad(
        "all deferred",
        "At least one tool must have defer_loading=false. All tools cannot be deferred.",
        {"tools": [tool(defer_loading=True)]},
    ),
    Bad(
        "deferred with a marker",
        "defer_loading=true cannot have cache_control set",
        {"tools": [tool(name="a"), tool(defer_loading=True, cache_control=MARK)]},
    ),
    Bad("unknown kind of tool", "does not match any of the expected tags", {"tools": [{"type": "magic", "name": "m"}]}),
    Bad(
        "reference to no tool",
        "Tool reference 'x' not found in available tools",
        messages(
            USER,
            assistant(USE),
            user(RESULT | {"content": [{"type": "tool_reference", "tool_name": "x"}]}),
            tools=[TOOL],
        ),
    ),
    Bad(
        "strict with an open object",
        "'additionalProperties' must be explicitly set to false",
        {"tools": [tool(strict=True)]},
    ),
    Bad(
        "forced choice",
        'tool_choice: type "tool" and "any" are not supported for this model.',
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
    ),
    Bad(
        "choice without tools",
        "tool_choice may only be specified while providing tools",
        {"tool_choice": {"type": "auto"}},
    ),
    Bad(
        "choice of no tool",
        "Tool 'x' not found in provided tools",
        {"model": "claude-opus-4-8", "tools": [TOOL], "tool_choice": {"type": "tool", "name": "x"}},
    ),
    Bad(
        "forced choice while thinking",
        "Thinking may not be enabled when tool_choice forces tool use.",
        {
            "model": "claude-opus-4-6",
            "max_tokens": 4000,
            "tools": [TOOL],
            "tool_choice": {"type": "any"},
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        },
    ),
]
THINKING = [
    Bad(
        "budget on a new model",
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000},
    ),
    Bad(
        "off on a model that always thinks",
        '"thinking.type.disabled" is not supported',
        {"thinking": {"type": "disabled"}},
    ),
    Bad("no budget", "thinking.enabled.budget_tokens: Field required", {"model": OLD, "thinking": {"type": "enabled"}}),
    Bad(
        "budget too small",
        "budget_tokens: Input should be greater than or equal to 1024",
        {"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 10}},
    ),
    Bad(
        "budget above max_tokens",
        "`max_tokens` must be greater than `thinking.budget_tokens`.",
        {"model": OLD, "thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 1000},
    ),
    Bad(
        "display while off",
        "thinking.disabled.display: Extra inputs are not permitted",
        {"model": "claude-opus-5", "thinking": {"type": "disabled", "display": "omitted"}},
    ),
    Bad(
        "binding without its header",
        "thinking.adaptive.block_binding: Extra inputs are not permitted",
        {"thinking": {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}},
    ),
    Bad(
        "updates without their header",
        "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
        {"thinking": {"type": "adaptive", "display": "updates"}},
    ),
    Bad(
        "effort on a model without",
        "does not support the effort parameter",
        {"model": OLD, "output_config": {"effort": "low"}},
    ),
    Bad(
        "thinking of another hand",
        "Invalid `signature` in `thinking` block",
        messages(
            USER,
            assistant({"type": "thinking", "thinking": "x", "signature": "forged"}, text()),
            USER,
            assistant(text()),
            USER,
        ),
    ),
    Bad(
        "latest thinking changed",
        "in the latest assistant message cannot be modified",
        messages(USER, assistant({"type": "thinking", "thinking": "x", "signature": "forged"}, text()), USER),
    ),
    Bad(
        "task budget without its header",
        "output_config.task_budget: Extra inputs",
        {"output_config": {"task_budget": {"type": "tokens", "total": 1000}}},
    ),
]
CACHE = [
    Bad(
        "five markers",
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        messages(user(*MARKED, text("5", cache_control=MARK))),
    ),
    Bad(
        "four markers and the automatic one",
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
        messages(user(*MARKED, text("5")), cache_control=MARK),
    ),
    Bad(
        "another lifetime on the last block",
        "already has a cache_control with a different ttl",
        messages(user(text(cache_control=MARK)), cache_control=MARK | {"ttl": "1h"}),
    ),
    Bad(
        "long after short",
        "a ttl='1h' cache_control block must not come after a ttl='5m'",
        messages(user(text(cache_control=MARK), text(cache_control=MARK | {"ttl": "1h"}))),
    ),
    Bad(
        "unknown lifetime",
        "cache_control.ttl: Input should be '5m' or '1h'",
        messages(user(text(cache_control=MARK | {"ttl": "1d"}))),
    ),
    Bad(
        "marker on thinking",
        "thinking.cache_control: Extra inputs",
        messages(USER, assistant({"type": "thinking", "thinking": "", "signature": "s", "cache_control": MARK}), USER),
    ),
]
BETAS = [
    Bad(f"{name} without its header", f"{name}: Extra inputs are not permitted", {name: value})
    for name, value in {
        "context_management": {"edits": []},
        "compaction": {"type": "summarize"},
        "mcp_servers": [SERVER],
        "fallbacks": "default",
        "fallback_credit_token": "t",
        "thread": {"type": "create"},
    }.items()
] + [
    Bad(
        "a thread",
        "threads are not supported",
        {"thread": {"type": "create"}},
        "message-threads-2026-08-12",
        code="thread_unsupported_request",
    ),
    Bad(
        "edit of the other header",
        "edits.0",
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        CONTEXT,
    ),
    Bad(
        "thinking cleared second",
        "`clear_thinking_20251015` must be the first edit",
        {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}, {"type": "clear_thinking_20251015"}]}},
        CONTEXT,
    ),
    Bad(
        "trigger too low",
        "trigger.value: Input should be greater than or equal to 50000",
        {
            "context_management": {
                "edits": [{"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 49_999}}]
            }
        },
        COMPACT_AT,
    ),
    Bad("toolset without servers", "MCP server 's' not found in mcp_servers", {"tools": [TOOLSET]}, MCP),
    Bad("server without toolset", "must be referenced by exactly one mcp_toolset", {"mcp_servers": [SERVER]}, MCP),
    Bad(
        "server twice in tools",
        "must be referenced by exactly one",
        {"mcp_servers": [SERVER], "tools": [TOOLSET] * 2},
        MCP,
    ),
    Bad(
        "server over http",
        "mcp_servers.0.url: URL must start with https://",
        {"mcp_servers": [SERVER | {"url": "http://mcp.example.com/"}], "tools": [TOOLSET]},
        MCP,
    ),
    Bad(
        "server on this machine",
        "must be publicly reachable",
        {"mcp_servers": [SERVER | {"url": "https://127.0.0.1:1/"}], "tools": [TOOLSET]},
        MCP,
    ),
    Bad(
        "pinned tools under the older header",
        "mcp_toolset.tools: Extra inputs",
        {"mcp_servers": [SERVER], "tools": [TOOLSET | {"tools": []}]},
        MCP,
    ),
    Bad("fast on a model without", "speed: fast mode is not supported", {"model": "claude-sonnet-5", "speed": "fast"}),
    Bad(
        "fallback that is not allowed",
        "claude-haiku-5-5 is not an allowed fallback",
        {"fallbacks": [{"model": "claude-haiku-5-5"}]},
        FALLBACK,
    ),
    Bad(
        "fallbacks and a credit",
        "cannot be combined with `fallback_credit_token`",
        {"fallbacks": "default", "fallback_credit_token": "t"},
        f"{FALLBACK},fallback-credit-2026-07-01",
    ),
    Bad(
        "open object as format",
        "'additionalProperties' must be explicitly set to false",
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
    ),
]
SYSTEM = [
    Bad("system message first", "must directly follow a user message", messages(system(text()), USER)),
    Bad(
        "system message before a user's",
        "must be the last message or be followed by an assistant message",
        messages(USER, system(text()), USER),
    ),
    Bad(
        "two system messages",
        "must be the last message or be followed by an assistant",
        messages(USER, system(text()), system(text())),
    ),
    Bad(
        "system message after the assistant",
        "must directly follow a user message",
        messages(USER, assistant(text()), system(text())),
    ),
    Bad(
        "system message on a model without",
        "system messages are not supported for this model",
        messages(USER, system(text()), model="claude-sonnet-5"),
    ),
    Bad("picture in a system message", "`image` blocks can only be in `user`", messages(USER, system(PNG))),
    Bad(
        "clear_at without its header",
        "messages.1.clear_at: Extra inputs",
        messages(USER, system(text(), clear_at="next_user_message")),
    ),
    Bad("clear_at by the user", "messages.0.clear_at: Extra inputs", messages(USER | {"clear_at": "never"})),
    Bad(
        "marker in a scoped message",
        "cache_control is not supported in turn-scoped",
        messages(USER, system(text(cache_control=MARK), clear_at="next_user_message")),
        "mid-conversation-system-clear-at-2026-08-21",
    ),
    Bad(
        "tool change without its header",
        "needs the tool changes beta header",
        messages(USER, system({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "t"}}), tools=[TOOL]),
    ),
    Bad(
        "tool change of no tool",
        "Tool reference 'x' not found",
        messages(USER, system({"type": "tool_removal", "tool": {"type": "tool_reference", "name": "x"}}), tools=[TOOL]),
        CHANGES,
        code="tool_reference_unresolved",
    ),
    Bad(
        "inline tool under the older header",
        "needs the inline tools beta header",
        messages(USER, system({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": TOOL}})),
        CHANGES,
    ),
    Bad(
        "inline tool whose name is taken",
        "Tool name 't' is taken",
        messages(
            USER,
            system({"type": "tool_addition", "tool": {"type": "tool_definition", "definition": TOOL}}),
            tools=[TOOL],
        ),
        INLINE,
        code="tool_name_conflict",
    ),
]
SUMMARY = {"type": "compaction", "content": "x", "signature": "forged"}
COMPACTION = [
    Bad(
        "forged summary",
        "not as it was returned",
        messages(assistant(SUMMARY), USER),
        COMPACT,
        code="compaction_signature_invalid",
    ),
    Bad(
        "summary not first",
        "must be the first block",
        messages(USER, assistant(SUMMARY), USER),
        COMPACT,
        code="compaction_block_misplaced",
    ),
    Bad(
        "two summaries",
        "more than one compaction block",
        messages(assistant(SUMMARY, SUMMARY), USER),
        COMPACT,
        code="compaction_block_ambiguous",
    ),
    Bad("summary without its header", "need the beta header compact-2026-09-04", messages(assistant(SUMMARY), USER)),
    Bad(
        "compaction with edits",
        "cannot be combined with `context_management`",
        {"compaction": {"type": "summarize"}, "context_management": {"edits": []}},
        f"{COMPACT},{CONTEXT}",
    ),
    Bad(
        "compaction with stop sequences",
        "cannot be combined with `stop_sequences`",
        {"compaction": {"type": "summarize"}, "stop_sequences": ["x"]},
        COMPACT,
    ),
    Bad(
        "compaction with a format",
        "cannot be combined with `output_config.format`",
        {"compaction": {"type": "summarize"}, "output_config": {"format": FORMAT}},
        COMPACT,
    ),
    Bad(
        "compaction in the middle of a turn",
        "the last turn has tool uses without results",
        messages(USER, assistant(USE), tools=[TOOL], compaction={"type": "summarize"}),
        COMPACT,
        code="compaction_incomplete_turn",
    ),
    Bad(
        "compaction on a model without",
        "This model does not support compaction.",
        {"model": "claude-haiku-5-5", "compaction": {"type": "summarize"}},
        COMPACT,
    ),
    Bad(
        "instructions too long",
        "compaction.instructions: String should have at most 16384 characters",
        {"compaction": {"type": "summarize", "instructions": "x" * 16_385}},
        COMPACT,
    ),
]
HEADERS = [
    Bad("no key", "x-api-key header is required", status=401, headers={"x-api-key": ""}),
    Bad("no version", "anthropic-version: header is required", headers={"anthropic-version": ""}),
    Bad("unknown version", "is not a valid version", headers={"anthropic-version": "2024-01-01"}),
    Bad("form instead of JSON", "expected application/json", headers={"content-type": "text/plain"}),
]
ALL = [*SHAPE, *PAIRS, *TOOLS, *THINKING, *CACHE, *BETAS, *SYSTEM, *COMPACTION, *HEADERS]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    """A plain client of one simulator for the whole table."""
    async with running(Settings()) as url, httpx2.AsyncClient(base_url=url, timeout=60) as client:
        yield client


def request_of(bad: Bad) -> tuple[dict[str, str], dict[str, Any]]:
    headers = {"x-api-key": "k", "anthropic-version": "2026-10-21", "anthropic-beta": bad.betas} | bad.headers
    body = {"model": OPUS, "max_tokens": 1024, "messages": [USER]} | bad.body
    return headers, {key: value for key, value in body.items() if value is not None}


@pytest.mark.parametrize("bad", ALL, ids=lambda bad: bad.name)
async def test_a_malformed_request_gets_the_documented_answer(http: httpx2.AsyncClient, bad: Bad) -> None:
    headers, body = request_of(bad)
    answer = await http.post("/v1/messages", headers=headers, json=body)
    error = answer.json()["error"]
    assert bad.words in error["message"]
    assert answer.status_code == bad.status
    kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error"}
    assert error["type"] == kinds[bad.status]
    assert error.get("details", {}).get("error_code") == bad.code
    assert answer.headers["request-id"] == answer.json()["request_id"]


def test_there_are_at_least_sixty_and_no_two_share_a_name() -> None:
    assert len({bad.name for bad in ALL}) == len(ALL) >= 60


GOOD = {
    "plain": {},
    "results, then words": messages(USER, assistant(USE), user(RESULT, text()), tools=[TOOL]),
    "results in two neighbouring messages": messages(
        USER,
        assistant(USE, USE | {"id": "toolu_2"}),
        user(RESULT),
        user(RESULT | {"tool_use_id": "toolu_2"}),
        tools=[TOOL],
    ),
    "a system message after results": messages(USER, assistant(USE), user(RESULT), system(text()), tools=[TOOL]),
    "four markers": messages(user(*MARKED)),
    "three markers and the automatic one": messages(user(*MARKED[:3], text("4")), cache_control=MARK),
    "prefill on an old model": messages(USER, assistant(text("Well")), model=OLD),
    "a format": {"output_config": {"format": FORMAT}},
    "nothing but warming the cache": {"max_tokens": 0},
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_well_formed_request_passes(http: httpx2.AsyncClient, name: str) -> None:
    headers, body = request_of(Bad(name, "", GOOD[name]))
    answer = await http.post("/v1/messages", headers=headers, json=body)
    assert answer.status_code == 200, answer.text


async def test_the_older_version_takes_what_the_current_one_refuses(http: httpx2.AsyncClient) -> None:
    headers, body = request_of(
        Bad("", "", {"model": OLD, "temperature": 0.5}, headers={"anthropic-version": "2023-06-01"})
    )
    assert (await http.post("/v1/messages", headers=headers, json=body)).status_code == 200
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    headers, body = request_of(
        Bad("", "", messages(USER, assistant(document), USER), headers={"anthropic-version": "2023-06-01"})
    )
    assert (await http.post("/v1/messages", headers=headers, json=body)).status_code == 200


async def test_too_large_a_body_is_refused_as_such(http: httpx2.AsyncClient) -> None:
    headers, _ = request_of(Bad("", ""))
    headers["content-type"] = "application/json"
    answer = await http.post("/v1/messages", headers=headers, content=b" " * (32 * 1024 * 1024 + 1))
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "request_too_large"


async def test_broken_json_is_refused_as_such(http: httpx2.AsyncClient) -> None:
    headers, _ = request_of(Bad("", "", headers={"content-type": "application/json"}))
    for content in (b"{", b"[]", b"\xff", b"[" * 100_000):
        answer = await http.post("/v1/messages", headers=headers, content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_a_prompt_longer_than_the_window_is_refused(http: httpx2.AsyncClient) -> None:
    headers, body = request_of(Bad("", "", messages(user(text("word " * 200_000)), model=OLD)))
    answer = await http.post("/v1/messages", headers=headers, json=body)
    assert "prompt is too long: 250" in answer.json()["error"]["message"]
    assert "> 200000 maximum" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"tools": [TOOL, {"type": "tool_search_tool_bm25", "name": "tool_search_tool_bm25"}]}, "server tools"),
        ({"messages": [user(PNG | {"source": {"type": "url", "url": "https://example.com/a.png"}})]}, "url and file"),
    ],
    ids=["tool search", "picture by URL"],
)
async def test_counting_refuses_what_the_api_cannot_count(http: httpx2.AsyncClient, more: Any, words: str) -> None:
    headers, body = request_of(Bad("", "", more))
    body.pop("max_tokens")
    answer = await http.post("/v1/messages/count_tokens", headers=headers, json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
