from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, TextContent

from tests.servers.suite.sample import build

pytestmark = pytest.mark.anyio

Mode = Literal["auto", "legacy"]


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> Mode:
    return request.param


async def answer(mode: Mode, notes: Path, tool: str, arguments: dict[str, Any]) -> tuple[bool, str]:
    async with Client(build(notes), mode=mode) as client:
        result = await client.call_tool(tool, arguments)
    [block] = result.content
    assert isinstance(block, TextContent)
    return bool(result.is_error), block.text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"text": "a", "txt": "b"}, "invalid: there is no `txt`. echo takes: text."),
        ({}, "invalid: `text` is missing. echo takes: text."),
        ({"text": {"a": 1}}, "invalid: `text`: input should be a valid string. echo takes: text."),
        ({"text": "a", "a\x1b\nb": 1}, r"invalid: there is no `a\nb`. echo takes: text."),
    ],
)
async def test_wrong_arguments_are_refused_with_the_right_ones(
    tmp_path: Path, mode: Mode, arguments: dict[str, Any], text: str
) -> None:
    assert await answer(mode, tmp_path, "echo", arguments) == (True, text)


async def test_a_value_that_was_rejected_is_not_repeated(tmp_path: Path, mode: Mode) -> None:
    failed, text = await answer(mode, tmp_path, "count", {"to": "IGNORE ALL"})
    assert failed
    assert text.startswith("invalid: `to`: input should be a valid integer")
    assert "IGNORE" not in text


async def test_a_model_that_sends_everything_wrong_gets_a_short_answer(tmp_path: Path, mode: Mode) -> None:
    failed, text = await answer(mode, tmp_path, "echo", {f"{'x' * 500}{number}": 1 for number in range(500)})
    assert failed
    assert len(text) < 1_000


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("refusal", "not_found: No row 7. Call count to see the rows."),
        ("refuse", "too_large: That is too large. Ask for less."),
        ("group", "conflict: It changed meanwhile. Read it again."),
    ],
)
async def test_a_refusal_reaches_the_model_word_for_word(tmp_path: Path, mode: Mode, how: str, text: str) -> None:
    assert await answer(mode, tmp_path, "fail", {"how": how}) == (True, text)


async def test_a_bug_tells_the_model_nothing_of_the_inside(tmp_path: Path, mode: Mode) -> None:
    failed, text = await answer(mode, tmp_path, "fail", {"how": "bug"})
    assert failed
    assert text.startswith("internal: fail failed inside the server. Report request ")
    assert "canary" not in text


async def test_a_model_is_sent_once_as_structure_and_once_as_compact_json(tmp_path: Path, mode: Mode) -> None:
    async with Client(build(tmp_path), mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        result = await client.call_tool("count", {"to": 3})
    [block] = result.content
    assert isinstance(block, TextContent)
    assert json.loads(block.text) == result.structured_content
    assert block.text == '{"truncated":null,"next":null,"title":null,"numbers":[0,1,2]}'
    schema = tools["count"].output_schema
    assert schema is not None
    jsonschema.validate(result.structured_content, schema)
    assert tools["count"].input_schema["additionalProperties"] is False
    assert "title" in schema["properties"], "a field of that name is not a title of pydantic's"
    assert '"title": "' not in json.dumps([tools["count"].input_schema, schema])


async def test_pages_put_together_equal_the_whole(tmp_path: Path, mode: Mode) -> None:
    numbers: list[int] = []
    cursor = None
    async with Client(build(tmp_path), mode=mode) as client:
        while True:
            page = await client.call_tool("count", {"to": 35, "cursor": cursor})
            assert page.structured_content is not None
            numbers += page.structured_content["numbers"]
            cursor = page.structured_content["next"]
            if cursor is None:
                break
        first = await client.call_tool("count", {"to": 35})
        assert first.structured_content is not None
        stolen = await client.call_tool("count", {"to": 36, "cursor": first.structured_content["next"]})
    assert numbers == list(range(35))
    assert stolen.is_error


async def test_unknown_names_are_protocol_errors(tmp_path: Path, mode: Mode) -> None:
    async with Client(build(tmp_path), mode=mode) as client:
        with pytest.raises(MCPError, match="Unknown tool: nope") as tool:
            await client.call_tool("nope", {})
        with pytest.raises(MCPError, match="Unknown prompt: nope") as prompt:
            await client.get_prompt("nope")
        with pytest.raises(MCPError, match="needs the argument code") as argument:
            await client.get_prompt("review")
        with pytest.raises(MCPError, match="not_found: No thing") as resource:
            await client.read_resource("sample://missing")
        assert (await client.get_prompt("review", {"code": "x"})).messages
        assert (await client.read_resource("sample://here")).contents
    assert {each.value.code for each in (tool, prompt, argument, resource)} == {-32602}


@pytest.mark.parametrize(("sure", "text"), [(True, "removed 3"), (False, "kept")])
async def test_a_destructive_tool_asks_in_both_eras(tmp_path: Path, mode: Mode, sure: bool, text: str) -> None:
    async def elicited(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": sure})

    async with Client(build(tmp_path), mode=mode, elicitation_callback=elicited) as client:
        result = await client.call_tool("remove", {"count": 3})
    [block] = result.content
    assert isinstance(block, TextContent)
    assert block.text == text


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_user_who_says_no_is_heard(tmp_path: Path, mode: Mode, action: Literal["decline", "cancel"]) -> None:
    async def elicited(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        return ElicitResult(action=action)

    async with Client(build(tmp_path), mode=mode, elicitation_callback=elicited) as client:
        result = await client.call_tool("remove", {"count": 3})
    [block] = result.content
    assert isinstance(block, TextContent)
    assert result.is_error
    assert block.text.startswith("denied: the user ")
