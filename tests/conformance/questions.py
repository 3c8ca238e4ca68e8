"""The tools and the prompt of the conformance suite that ask the client for something, in both eras."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp import MCPError
from mcp.server.mcpserver import Context, UserMessage
from mcp.types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

from servers.toolserver import ToolServer

Question = ElicitRequest | CreateMessageRequest | ListRootsRequest
Tool = Callable[[Context[Any, Any]], Awaitable[CallToolResult | InputRequiredResult]]


def form(message: str, name: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, most: int = 100) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=most))


NAME = form("What is your name?", "name")


def said(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)])


def asking(questions: Mapping[str, Question], answer: str, state: str | None = None) -> Tool:
    """Return a tool that asks until it has an answer of the right kind to every question."""
    kinds = {ElicitRequest: ElicitResult, CreateMessageRequest: CreateMessageResult, ListRootsRequest: ListRootsResult}

    async def tool(ctx: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
        given = ctx.input_responses or {}
        known = all(isinstance(given.get(key), kinds[type(question)]) for key, question in questions.items())
        if not known or ctx.request_state != state:
            return InputRequiredResult(input_requests=dict(questions), request_state=state)
        return said(f"{answer} {[given[key].model_dump(mode='json') for key in questions]}")

    return tool


async def ask_in_rounds(ctx: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
    """Ask for a name, then for a colour."""
    given = ctx.input_responses or {}
    if ctx.request_state == "round-2" and isinstance(given.get("step2"), ElicitResult):
        return said("Both steps are done.")
    if ctx.request_state == "round-1" and isinstance(given.get("step1"), ElicitResult):
        color = form("Step 2: What is your favorite color?", "color")
        return InputRequiredResult(input_requests={"step2": color}, request_state="round-2")
    name = form("Step 1: What is your name?", "name")
    return InputRequiredResult(input_requests={"step1": name}, request_state="round-1")


async def ask_what_the_client_can(ctx: Context[Any, Any]) -> CallToolResult | InputRequiredResult:
    """Ask only what the client has declared."""
    can = ctx.client_capabilities
    questions: dict[str, Question] = {}
    if can is not None and can.elicitation is not None:
        questions["name"] = NAME
    if can is not None and can.sampling is not None:
        questions["greeting"] = sample("Generate a greeting")
    return InputRequiredResult(input_requests=questions) if questions else said("Nothing to ask.")


async def need_sampling(ctx: Context[Any, Any]) -> CallToolResult:
    """Refuse a client that cannot sample."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        needed = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "This tool needs sampling.", needed)
    return said("The client can sample.")


def add_questions(server: ToolServer[None]) -> None:
    several = {"user_name": NAME, "greeting": sample("Generate a greeting", 50), "client_roots": ListRootsRequest()}
    confirm = {"confirm": form("Please confirm", "ok", "boolean")}
    tools: dict[str, Tool] = {
        "elicitation": asking({"user_name": NAME}, "Hello,"),
        "sampling": asking({"capital_question": sample("What is the capital of France?")}, "The model said"),
        "list_roots": asking({"client_roots": ListRootsRequest()}, "The roots are"),
        "request_state": asking(confirm, "state-ok", "confirming"),
        "tampered_state": asking(confirm, "state-ok", "confirming"),
        "multiple_inputs": asking(several, "All answers:", "several"),
        "multi_round": ask_in_rounds,
        "capabilities": ask_what_the_client_can,
    }
    for name, tool in tools.items():
        full = f"test_input_required_result_{name}"
        server.add_tool(tool, name=full, description="Ask the client first.", structured_output=False)
    server.add_tool(need_sampling, name="test_missing_capability", structured_output=False)
    server.add_tool(
        asking({"user_name": NAME}, "Hello,"),
        name="test_streaming_elicitation",
        description="Ask the client first.",
        structured_output=False,
    )

    @server.prompt()
    async def test_input_required_result_prompt(ctx: Context) -> list[UserMessage] | InputRequiredResult:
        """Ask for the context first."""
        given = (ctx.input_responses or {}).get("user_context")
        if not isinstance(given, ElicitResult):
            question = form("What context should the prompt use?", "context")
            return InputRequiredResult(input_requests={"user_context": question})
        if given.content is None:
            raise MCPError(INVALID_PARAMS, "There is no context.")
        return [UserMessage(f"Use this context: {given.content.get('context')}")]
