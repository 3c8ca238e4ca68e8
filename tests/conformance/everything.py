"""A server with every fixture of the conformance suite, run by `servers.serving` like every server of the suite."""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Annotated, Any

import anyio
from mcp import MCPDeprecationWarning
from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.subscriptions import InMemorySubscriptionBus, PromptsListChanged, ToolsListChanged
from mcp.types import (
    ElicitResult,
    EmptyResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    UnsubscribeRequestParams,
)
from pydantic import Field

from servers.serving import Program, run
from servers.toolserver import ToolServer
from tests.conformance.contents import add_prompts, add_resources, add_tools
from tests.conformance.questions import add_questions

DEFAULTS = {
    "name": {"type": "string", "default": "John Doe"},
    "age": {"type": "integer", "default": 30},
    "score": {"type": "number", "default": 95.5},
    "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "default": True},
}
OPTIONS = ["option1", "option2", "option3"]
TITLED = [
    {"const": f"value{number}", "title": f"{word} Option"}
    for number, word in enumerate(("First", "Second", "Third"), 1)
]
ENUMS = {
    "untitledSingle": {"type": "string", "enum": OPTIONS},
    "titledSingle": {"type": "string", "oneOf": TITLED},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
    "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
    "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
}


SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


async def elicit(ctx: Context[Any, Any], message: str, properties: dict[str, Any], required: list[str]) -> ElicitResult:
    schema = {"type": "object", "properties": properties, "required": required}
    return await ctx.session.elicit_form(message, schema, ctx.request_id)


def add_old_questions(server: ToolServer[None]) -> None:
    """What servers asked before 2026-07-28: on the connection, while the call waits."""

    @server.tool(structured_output=False)
    async def test_sampling(prompt: str, ctx: Context) -> str:
        """Ask the client's model."""
        message = SamplingMessage(role="user", content=TextContent(text=prompt))
        ask = ctx.session.create_message  # pyright: ignore[reportDeprecated]
        answer = await ask([message], max_tokens=100, related_request_id=ctx.request_id)
        return f"LLM response: {answer.content}"

    @server.tool(structured_output=False)
    async def test_elicitation(message: str, ctx: Context) -> str:
        """Ask the user."""
        fields = {"username": {"type": "string"}, "email": {"type": "string"}}
        answer = await elicit(ctx, message, fields, ["username", "email"])
        return f"User response: action={answer.action}, content={json.dumps(answer.content)}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
        """Ask with defaults."""
        answer = await elicit(ctx, "Please review", DEFAULTS, [])
        return f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Context) -> str:
        """Ask for choices."""
        answer = await elicit(ctx, "Please choose", ENUMS, [])
        return f"Elicitation completed: action={answer.action}, content={json.dumps(answer.content)}"


def add_logging(server: ToolServer[None]) -> None:
    @server.tool(structured_output=False)
    async def test_tool_with_logging(ctx: Context) -> str:
        """Log three times."""
        for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(text)  # pyright: ignore[reportDeprecated]
            await anyio.sleep(0.05)
        return "Tool with logging completed"

    @server.tool(structured_output=False)
    async def test_logging_tool(ctx: Context) -> str:
        """Log once."""
        await ctx.info("Logged")  # pyright: ignore[reportDeprecated]
        return "Logged once"


def add_changes(server: ToolServer[None], bus: InMemorySubscriptionBus) -> None:
    @server.tool(structured_output=False)
    async def test_trigger_tool_change() -> str:
        """Say that the tools changed."""
        await bus.publish(ToolsListChanged())
        return "Tools changed"

    @server.tool(structured_output=False)
    async def test_trigger_prompt_change() -> str:
        """Say that the prompts changed."""
        await bus.publish(PromptsListChanged())
        return "Prompts changed"

    @server.tool(structured_output=False)
    async def test_reconnection(ctx: Context) -> str:
        """Close the stream in the middle of the call."""
        await ctx.close_sse_stream()
        await anyio.sleep(0.1)
        return "Reconnected"

    @server.tool(structured_output=False)
    async def test_headers(
        region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
        priority: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Priority"})] = 1,
    ) -> str:
        """Take arguments that travel as headers too."""
        return f"{region} {priority}"


def add_raw_schema(server: ToolServer[None]) -> None:
    @server.tool(structured_output=False)
    async def json_schema_2020_12_tool() -> str:
        """Tool with JSON Schema 2020-12 features."""
        return "never called"

    tool = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert tool is not None
    tool.parameters = SCHEMA_2020_12


async def nothing(_: ServerRequestContext[Any, Any], __: Any) -> EmptyResult:
    return EmptyResult()


def build(options: argparse.Namespace) -> ToolServer[None]:
    bus = InMemorySubscriptionBus()
    server: ToolServer[None] = ToolServer(
        "everything", instructions="For the conformance suite.", keys=options.state_keys, subscriptions=bus
    )
    add_tools(server)
    add_resources(server)
    add_prompts(server)
    add_questions(server)
    add_old_questions(server)
    add_logging(server)
    add_changes(server, bus)
    add_raw_schema(server)
    inner = server._lowlevel_server
    inner.add_request_handler("logging/setLevel", SetLevelRequestParams, nothing)
    inner.add_request_handler("resources/subscribe", SubscribeRequestParams, nothing)
    inner.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, nothing)
    return server


PROGRAM = Program("everything", "Every fixture of the conformance suite.", lambda line: None, build)

if __name__ == "__main__":
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # the suite asks for what 2026-07-28 deprecates
    raise SystemExit(run(PROGRAM))
