"""What the API does itself: tool search, tool changes on the way, the MCP connector."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
import uvicorn
from mcp.server import MCPServer

from simulator import toolsearch
from simulator.serving import Settings
from simulator.situation import Tool

pytestmark = pytest.mark.anyio

OPUS = "claude-opus-5-5"
CHANGES, INLINE = "mid-conversation-tool-changes-2026-07-01", "inline-tools-2026-09-15"
MCP, LISTING = "mcp-client-2025-11-20", "mcp-client-2026-09-15"


def tool(name: str, description: str, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"city": {"type": "string", "description": "Where."}}}
    return {"name": name, "description": description, "input_schema": schema} | more


WEATHER = tool("get_weather", "Get the weather of a city.", defer_loading=True)
STOCKS = tool("get_stocks", "Get the price of a stock.", defer_loading=True)
HELLO = tool("greet", "Say good morning.")
REGEX = {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"}
BM25 = {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}


def asked(text: str, **more: Any) -> dict[str, Any]:
    return {"model": OPUS, "max_tokens": 2_000, "messages": [{"role": "user", "content": text}]} | more


def kinds(message: Any) -> list[str]:
    return [block.type for block in message.content]


@pytest.mark.parametrize("search", [REGEX, BM25], ids=["regex", "bm25"])
async def test_a_deferred_tool_is_searched_for_found_and_called(client: Any, search: Any) -> None:
    request = asked("get the weather", tools=[search, HELLO, WEATHER, STOCKS])
    async with client.beta.messages.stream(**request) as stream:
        first = await stream.get_final_message()
    assert kinds(first) == [
        "thinking", "server_tool_use", "tool_search_tool_result", "thinking", "text", "tool_use",
    ]  # fmt: skip
    assert first.content[1].id.startswith("srvtoolu_")
    found = [one.tool_name for one in first.content[2].content.tool_references]
    assert "get_weather" in found
    assert first.content[-1].name == "get_weather"
    result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "sunny"}
    content = [block.to_dict() for block in first.content]
    messages = [*request["messages"], {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
    last = await client.beta.messages.create(**(request | {"messages": messages}))
    assert "sunny" in last.content[-1].text
    later = [
        *messages,
        {"role": "assistant", "content": [block.to_dict() for block in last.content]},
        {"role": "user", "content": "get the weather again, the stock too"},
    ]
    again = await client.beta.messages.create(**(request | {"messages": later}))
    assert "get_weather" in [block.name for block in again.content if block.type == "tool_use"]


async def test_a_found_tool_is_paid_for_where_it_was_found(client: Any) -> None:
    few = await client.beta.messages.create(**asked("hello", tools=[BM25, HELLO]))
    many = await client.beta.messages.create(**asked("hello", tools=[BM25, HELLO, WEATHER, STOCKS]))
    assert few.usage.input_tokens == many.usage.input_tokens


async def test_a_search_of_ones_own_loads_tools_by_reference(client: Any) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "greet", "input": {}}
    reference = {"type": "tool_reference", "tool_name": "get_weather"}
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [reference]}]},
        {"role": "assistant", "content": "Good morning."},
        {"role": "user", "content": "get the weather"},
    ]
    reply = await client.beta.messages.create(**asked("", messages=messages, tools=[HELLO, WEATHER]))
    assert reply.content[-1].name == "get_weather"


TOOLS = [
    Tool("get_weather", "Get the weather.", {"properties": {"city": {"type": "string"}}}),
    Tool("get_stocks", "Get the price of a stock.", {}),
    Tool("send_mail", "Send a letter.", {"properties": {"to": {"description": "The address."}}}),
]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("weather|mail", ["get_weather", "send_mail"]),
        ("GET_.*", ["get_weather", "get_stocks"]),
        ("(?i)address", ["send_mail"]),
        ("zebra", []),
    ],
)
def test_a_pattern_is_searched_in_all_that_a_tool_says(pattern: str, names: list[str]) -> None:
    assert [one.name for one in toolsearch.by_pattern(pattern, TOOLS).tools] == names


@pytest.mark.parametrize("pattern", ["(", "x" * 201])
def test_a_pattern_that_cannot_be_used_is_an_error_in_the_result(pattern: str) -> None:
    found = toolsearch.by_pattern(pattern, TOOLS)
    assert found.content()["error_code"] == "invalid_tool_input"


def test_words_find_the_rarest_first_and_five_at_most() -> None:
    many = [Tool(f"tool_{n}", "does things", {}) for n in range(9)]
    assert toolsearch.by_words("price of a stock", [*many, *TOOLS]).tools[0].name == "get_stocks"
    assert len(toolsearch.by_words("things", many).tools) == 5
    assert toolsearch.by_words("x" * 501, TOOLS).error == "invalid_tool_input"


def change(kind: str, reference: dict[str, Any]) -> dict[str, Any]:
    return {"role": "system", "content": [{"type": kind, "tool": reference}]}


async def test_tools_can_be_added_and_removed_on_the_way(client: Any) -> None:
    named = {"type": "tool_reference", "name": "get_weather"}
    ask = {"role": "user", "content": "get the weather"}
    asleep = [{"role": "user", "content": "hello"}]
    for messages, name in (
        ([ask, change("tool_addition", named)], "get_weather"),
        ([ask], None),
        ([*asleep, change("tool_addition", named), {"role": "assistant", "content": "Yes?"}, ask], "get_weather"),
        (
            [
                *asleep,
                change("tool_addition", named),
                {"role": "assistant", "content": "Yes?"},
                ask,
                change("tool_removal", named),
            ],
            None,
        ),
    ):
        reply = await client.beta.messages.create(
            **asked("", messages=messages, tools=[HELLO, WEATHER]), betas=[CHANGES]
        )
        called = [block.name for block in reply.content if block.type == "tool_use"]
        assert called == ([name] if name else [])


async def test_a_tool_can_be_defined_on_the_way(client: Any) -> None:
    definition = {"type": "tool_definition", "definition": tool("get_tides", "Get the tides of a city.")}
    messages = [{"role": "user", "content": "get the tides"}, change("tool_addition", definition)]
    reply = await client.beta.messages.create(**asked("", messages=messages, tools=[HELLO]), betas=[INLINE])
    assert reply.content[-1].name == "get_tides"
    summary = await client.beta.messages.create(
        **asked("", messages=messages, tools=[HELLO]),
        compaction={"type": "summarize"},
        betas=[INLINE, "compact-2026-09-04"],
    )
    kept = [
        {"role": "assistant", "content": [summary.content[0].to_dict()]},
        {"role": "user", "content": "get the tides"},
    ]
    later = await client.beta.messages.create(
        **asked("", messages=kept, tools=[HELLO]), betas=[INLINE, "compact-2026-09-04"]
    )
    assert later.content[-1].name == "get_tides"


async def test_adding_a_tool_on_the_way_keeps_the_cache(client: Any) -> None:
    system = [{"type": "text", "text": "rule " * 2_000, "cache_control": {"type": "ephemeral"}}]
    named = {"type": "tool_reference", "name": "get_weather"}
    request = asked("get the weather", system=system, tools=[HELLO, WEATHER])
    await client.beta.messages.create(**request)
    added = request | {"messages": [*request["messages"], change("tool_addition", named)]}
    assert (await client.beta.messages.create(**added, betas=[CHANGES])).usage.cache_read_input_tokens > 3_000


def weather_server() -> MCPServer:
    server = MCPServer("weather")

    @server.tool()
    async def forecast(city: str) -> str:
        """Tell the forecast of a city."""
        return f"{city}: rain, then sun"

    @server.tool()
    async def storm() -> str:
        """Raise a storm."""
        raise ValueError("no wind")

    return server


@pytest.fixture
async def mcp_url() -> AsyncIterator[str]:
    """A real MCP server over HTTP on this machine."""
    import socket

    import anyio

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        server = weather_server()
        app = server.streamable_http_app(stateless_http=True, json_response=True)
        config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
        serving = uvicorn.Server(config)
        async with anyio.create_task_group() as group:
            group.start_soon(serving._serve, [listener])
            yield f"http://127.0.0.1:{port}/mcp"
            serving.should_exit = True


def connected(url: str, **more: Any) -> dict[str, Any]:
    server = {"type": "url", "url": url, "name": "w"}
    return {"mcp_servers": [server], "tools": [{"type": "mcp_toolset", "mcp_server_name": "w"} | more]}


async def test_the_connector_runs_the_servers_tools_and_answers_in_one_go(talk: Any, mcp_url: str) -> None:
    request = asked('tell the forecast for "Oslo"', **connected(mcp_url))
    async with talk(Settings(allow_loopback=True)) as client:
        async with client.beta.messages.stream(**request, betas=[MCP]) as stream:
            reply = await stream.get_final_message()
        assert kinds(reply) == ["thinking", "text", "mcp_tool_use", "mcp_tool_result", "thinking", "text"]
        use, result = reply.content[2:4]
        assert (use.server_name, use.name, use.input) == ("w", "forecast", {"city": "Oslo"})
        assert result.content[0].text == "Oslo: rain, then sun"
        assert reply.stop_reason == "end_turn"
        assert "rain, then sun" in reply.content[-1].text
        content = [block.to_dict() for block in reply.content]
        messages = [
            *request["messages"],
            {"role": "assistant", "content": content},
            {"role": "user", "content": "thanks"},
        ]
        again = await client.beta.messages.create(**(request | {"messages": messages}), betas=[MCP])
        assert again.stop_reason == "end_turn"


async def test_the_newer_header_brings_the_listing_which_pins_it(talk: Any, mcp_url: str) -> None:
    async with talk(Settings(allow_loopback=True)) as client:
        first = await client.beta.messages.create(**asked("hello", **connected(mcp_url)), betas=[LISTING])
        assert first.content[0].type == "mcp_tool_listing"
        assert [one.name for one in first.content[0].tools] == ["forecast", "storm"]
        content = [block.to_dict() for block in first.content]
        messages = [
            {"role": "user", "content": "hello"},
            {"role": "assistant", "content": content},
            {"role": "user", "content": "bye"},
        ]
        request = asked("", messages=messages, **connected(mcp_url))
        again = await client.beta.messages.create(**request, betas=[LISTING])
        assert again.content[0].type == "thinking"
        pinned = connected("https://127.0.0.1:1/", tools=content[0]["tools"])
        third = await client.beta.messages.create(**asked("hello", **pinned), betas=[LISTING])
        assert third.content[0].type == "thinking"


@pytest.mark.parametrize(
    ("settings", "called"),
    [
        ({"configs": {"forecast": {"enabled": False}}}, False),
        ({"default_config": {"enabled": False}}, False),
        ({"default_config": {"enabled": False}, "configs": {"forecast": {"enabled": True}}}, True),
        ({"configs": {"unknown": {"enabled": False}}}, True),
    ],
    ids=["off", "all off", "on again", "unknown name"],
)
async def test_a_toolset_says_which_tools_there_are(talk: Any, mcp_url: str, settings: Any, called: bool) -> None:
    async with talk(Settings(allow_loopback=True)) as client:
        request = asked('tell the forecast for "Oslo"', **connected(mcp_url, **settings))
        reply = await client.beta.messages.create(**request, betas=[MCP])
        assert ("mcp_tool_use" in kinds(reply)) is called


async def test_a_failing_tool_of_a_server_is_a_result_that_failed(talk: Any, mcp_url: str) -> None:
    async with talk(Settings(allow_loopback=True)) as client:
        reply = await client.beta.messages.create(**asked("/call storm {}", **connected(mcp_url)), betas=[MCP])
        result = next(block for block in reply.content if block.type == "mcp_tool_result")
        assert result.is_error
        assert "failed" in reply.content[-1].text


async def test_a_server_that_does_not_answer_is_a_refused_request(talk: Any) -> None:
    async with talk(Settings(allow_loopback=True)) as client:
        with pytest.raises(anthropic.BadRequestError, match="Connection error while communicating with MCP server 'w'"):
            await client.beta.messages.create(**asked("hello", **connected("http://127.0.0.1:9/mcp")), betas=[MCP])
