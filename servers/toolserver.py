"""The server that every server of the suite is: strict arguments, compact results, refusals the model can act on.

It is an `MCPServer` of the SDK; tools, resources and prompts are added to it in the SDK's own way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeVar, cast

from mcp import MCPError
from mcp.server import CacheHint, MCPServer
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, RequestStateSecurity
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata
from mcp.server.subscriptions import SubscriptionBus
from mcp.types import (
    INVALID_PARAMS,
    CallToolResult,
    GetPromptResult,
    Icon,
    InputRequiredResult,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError

from servers.cleaning import clean_line
from servers.cursors import Cursors
from servers.encoded import structured
from servers.refusals import wording

L = TypeVar("L")
FIVE_MINUTES = 300_000
_MOST_PROBLEMS = 5  # of one call that its error names
_LONGEST_NAME = 80
# What the SDK says where a `Resolve` parameter was not answered (mcp 2.3, `mcpserver/resolve.py`).
_UNANSWERED = re.compile(r"elicitation was (decline|cancel)$")
_SAID_NO = {
    "decline": "denied: the user said no. Do not try the same again; ask what to do instead.",
    "cancel": "denied: the user closed the question without an answer. Ask before you try the same again.",
}


def suite_version() -> str:
    """Return the version of this package, as every server announces it."""
    try:
        return version("mcp-orchestrator")
    except PackageNotFoundError:
        return "0"


class ToolServer(MCPServer[L]):
    """An `MCPServer` with the manners of the suite.

    - An argument that a tool does not have, or of a wrong type, is refused with the names of those that it has.
    - A `Refusal` (`servers.refusals`) in a tool, resource or prompt reaches the model as `code: text`; any other
      exception as `internal` with the request's id, and its traceback goes to the log.
    - An unknown tool or prompt is the JSON-RPC error -32602 (MCP 2026-07-28, server/tools, "Error Handling").
    - A pydantic model that a tool returns is sent as structured content, and as the same JSON without indentation.
    """

    def __init__(
        self,
        name: str,
        *,
        instructions: str,
        title: str | None = None,
        lifespan: Callable[[MCPServer[L]], AbstractAsyncContextManager[L]] | None = None,
        keys: Sequence[bytes] = (),
        subscriptions: SubscriptionBus | Literal[False] = False,
    ) -> None:
        """`keys` (`options.state_keys`) seal cursors and request state, so that replicas accept each other's."""
        super().__init__(
            name,
            title=title,
            instructions=instructions,
            version=suite_version(),
            lifespan=lifespan,
            log_level="WARNING",
            request_state_security=RequestStateSecurity(keys=list(keys)) if keys else None,
            subscriptions=subscriptions,
            cache_hints={"tools/list": CacheHint(ttl_ms=FIVE_MINUTES)},
        )
        self.cursors = Cursors(keys)
        """Seals the positions of this server's pages."""

    def add_tool(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        title: str | None = None,
        description: str | None = None,
        annotations: ToolAnnotations | None = None,
        icons: list[Icon] | None = None,
        meta: dict[str, Any] | None = None,
        structured_output: bool | None = None,
    ) -> None:
        """Add a tool as the SDK does, and make it strict."""
        super().add_tool(fn, name, title, description, annotations, icons, meta, structured_output)
        tool = self._tool_manager.get_tool(name or fn.__name__)
        if tool is not None:
            _make_strict(tool)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[L, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool. Raises: `ToolError` with the words for the model, `MCPError` if there is no such tool."""
        tool = self._tool_manager.get_tool(name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {_short(name)}. Call tools/list to see the names.")
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as failure:
            raise _worded(tool, failure, context) from failure.__cause__

    async def read_resource(
        self, uri: Any, context: Context[L, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource. Raises: `ResourceNotFoundError` (-32602) or `ResourceError` with the refusal's words."""
        try:
            return await super().read_resource(uri, context)
        except ResourceError as failure:
            text = wording(failure.__cause__)
            if text is None:
                raise
            kind = ResourceNotFoundError if text.startswith("not_found") else ResourceError
            raise kind(text) from failure.__cause__

    async def get_prompt(
        self, name: str, arguments: dict[str, Any] | None = None, context: Context[L, Any] | None = None
    ) -> GetPromptResult | InputRequiredResult:
        """Return a prompt. Raises: `MCPError` -32602 for an unknown name, a missing argument, or a refusal."""
        prompt = self._prompt_manager.get_prompt(name)
        if prompt is None:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {_short(name)}. Call prompts/list to see the names.")
        given = arguments or {}
        missing = [each.name for each in prompt.arguments or () if each.required and each.name not in given]
        if missing:
            raise MCPError(INVALID_PARAMS, f"Prompt {name} needs the argument {', '.join(missing)}.")
        try:
            return await super().get_prompt(name, arguments, context)
        except ValueError as failure:
            text = wording(failure)
            if text is None:
                raise
            raise MCPError(INVALID_PARAMS, text) from failure


class _CompactMetadata(FuncMetadata):
    """Sends a returned model as structured content, and as the same JSON in one line of text."""

    def convert_result(self, result: Any) -> CallToolResult | InputRequiredResult:
        model = self.output_model
        if not isinstance(model, type) or not issubclass(model, BaseModel) or not isinstance(result, model):
            return super().convert_result(result)
        return structured(result.model_dump(mode="json", by_alias=True))


def _make_strict(tool: Tool) -> None:
    known = tool.fn_metadata
    known.arg_model.model_config["extra"] = "forbid"
    known.arg_model.model_rebuild(force=True)
    tool.parameters = _untitled(known.arg_model.model_json_schema(by_alias=True))
    tool.fn_metadata = _CompactMetadata(
        arg_model=known.arg_model,
        output_schema=_untitled(known.output_schema),
        output_model=known.output_model,
        wrap_output=known.wrap_output,
    )


def _untitled(schema: Any) -> Any:
    """Return the JSON schema without the titles that pydantic makes of the field names: context is not free."""
    if isinstance(schema, list):
        return [_untitled(each) for each in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    kept = cast("dict[str, Any]", schema)
    named = ("properties", "$defs")  # their keys are names, and may be "title"
    return {
        key: {name: _untitled(each) for name, each in value.items()} if key in named else _untitled(value)
        for key, value in kept.items()
        if key != "title"
    }


def _worded(tool: Tool, failure: ToolError, context: Context[Any, Any] | None) -> ToolError:
    """Return `failure` with the text that the model shall read, and nothing else."""
    cause = failure.__cause__
    if isinstance(cause, ToolError | ResourceError) and not isinstance(failure, UnexpectedToolError):
        unanswered = _UNANSWERED.search(str(cause))
        return ToolError(_SAID_NO[unanswered[1]] if unanswered else str(cause))
    text = wording(cause)
    if text is not None:
        return ToolError(text)
    if isinstance(cause, ValidationError) and not isinstance(failure, UnexpectedToolError):
        return ToolError(_invalid_arguments(tool, cause))
    if isinstance(failure, UnexpectedToolError):
        request = context.request_id if context is not None else "-"
        return UnexpectedToolError(f"internal: {tool.name} failed inside the server. Report request {request}.")
    return failure


def _invalid_arguments(tool: Tool, problem: ValidationError) -> str:
    """Return `invalid: …` with each wrong argument, without the values that were rejected."""
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    problems: list[str] = []
    for error in problem.errors(include_url=False, include_input=False, include_context=False)[:_MOST_PROBLEMS]:
        place = ".".join(_short(str(part)) for part in error["loc"]) or "arguments"
        match error["type"]:
            case "extra_forbidden":
                problems.append(f"there is no `{place}`")
            case "missing":
                problems.append(f"`{place}` is missing")
            case _:
                problems.append(f"`{place}`: {error['msg'][0].lower()}{error['msg'][1:]}")
    return f"invalid: {'; '.join(problems)}. {tool.name} takes: {', '.join(properties) or 'no arguments'}."


def _short(name: str) -> str:
    line = clean_line(name)
    return line if len(line) <= _LONGEST_NAME else f"{line[:_LONGEST_NAME]}…"
