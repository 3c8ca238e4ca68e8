"""Fields that exclude one another, or that a model or a header does not open."""

from __future__ import annotations

import json
from typing import Any

from simulator import betas as beta
from simulator.definitions import McpToolset, ToolChoice, ToolDefinition, ToolSearch
from simulator.errors import Refused
from simulator.parsing import Request
from simulator.request import Body, ClearThinking, CompactAt, Prompt
from simulator.shapes import Json
from simulator.toolcheck import is_schema, name_of

LEAST_TRIGGER = 50_000
FAST_MODELS = ("claude-opus-5-5", "claude-opus-5", "claude-opus-4-8")


def check(request: Request[Prompt]) -> None:
    """Raise `Refused` for the first rule that is broken."""
    _check_tool_choice(request)
    _check_edits(request)
    _check_compaction(request)
    _check_connector(request)
    _check_format(request)
    _check_speed(request)
    if isinstance(request.body, Body):
        _check_rest(request, request.body)


def _check_tool_choice(request: Request[Prompt]) -> None:
    choice, body = request.body.tool_choice, request.body
    if choice is None:
        return
    _check_choice_fields(choice)
    if not body.tools and choice.type != "none":
        raise Refused("tool_choice: tool_choice may only be specified while providing tools.")
    if choice.type in ("any", "tool"):
        if not request.model.forced_choice:
            raise Refused('tool_choice: type "tool" and "any" are not supported for this model.')
        if body.thinking and body.thinking.type == "enabled":
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    if choice.type == "tool":
        _check_chosen(request.body, choice.name)


def _check_choice_fields(choice: ToolChoice) -> None:
    if choice.type != "tool" and choice.name is not None:
        raise Refused(f"tool_choice.{choice.type}.name: Extra inputs are not permitted")
    if choice.type == "tool" and choice.name is None:
        raise Refused("tool_choice.tool.name: Field required")
    if choice.type == "none" and choice.disable_parallel_tool_use:
        raise Refused("tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")


def _check_chosen(body: Prompt, name: str | None) -> None:
    """Raise unless the tool that is asked for is there, and may be called by the model itself."""
    if name not in [name_of(tool) for tool in body.tools]:
        raise Refused(f"tool_choice: Tool '{name}' not found in provided tools")
    for tool in body.tools:
        if isinstance(tool, ToolDefinition) and tool.name == name and "direct" not in _callers(tool):
            raise Refused(f"tool_choice: Tool '{name}' cannot be called directly")


def _callers(tool: ToolDefinition) -> list[Any]:
    return list(tool.allowed_callers or ["direct"])


def _check_edits(request: Request[Prompt]) -> None:
    management, betas = request.body.context_management, request.caller.betas
    if management is None:
        return
    kinds = [edit.type for edit in management.edits]
    if len(set(kinds)) != len(kinds):
        raise Refused("context_management.edits: each edit type may only be given once")
    for index, edit in enumerate(management.edits):
        needed = beta.COMPACT_AT if isinstance(edit, CompactAt) else beta.CONTEXT
        place = f"context_management.edits.{index}"
        if needed not in betas:
            raise Refused(f"{place}: Input tag '{edit.type}' found using 'type' needs the beta header {needed}")
        if isinstance(edit, ClearThinking) and index > 0:
            raise Refused("context_management.edits: `clear_thinking_20251015` must be the first edit")
        if isinstance(edit, ClearThinking) and request.body.thinking and request.body.thinking.type == "disabled":
            raise Refused(f"{place}: `clear_thinking_20251015` requires thinking to be enabled")
        if isinstance(edit, CompactAt) and edit.trigger and edit.trigger.value < LEAST_TRIGGER:
            raise Refused(f"{place}.compact_20260112.trigger.value: Input should be greater than or equal to 50000")
        if isinstance(edit, CompactAt) and not request.model.summarize:
            raise Refused(f"{place}: compaction is not supported for this model")


def _check_compaction(request: Request[Prompt]) -> None:
    body = request.body
    if body.compaction is None:
        return
    if not request.model.summarize:
        raise Refused("compaction: This model does not support compaction.")
    output, choice = body.output_config, body.tool_choice
    excluded = {
        "context_management": body.context_management is not None,
        "stop_sequences": isinstance(body, Body) and bool(body.stop_sequences),
        "output_config.format": bool(output and output.format),
        "tool_choice": bool(choice and choice.type in ("any", "tool")),
        "output_config.task_budget.remaining": bool(
            output and output.task_budget and output.task_budget.remaining is not None
        ),
    }
    for field, there in excluded.items():
        if there:
            raise Refused(f"compaction: cannot be combined with `{field}`")


def _check_connector(request: Request[Prompt]) -> None:
    body, betas = request.body, request.caller.betas
    toolsets = [(index, tool) for index, tool in enumerate(body.tools) if isinstance(tool, McpToolset)]
    names = [server.name for server in body.mcp_servers]
    if len(set(names)) != len(names):
        raise Refused("mcp_servers: MCP server names must be unique.")
    for index, toolset in toolsets:
        if not betas & {beta.MCP, beta.MCP_LISTING}:
            raise Refused(f"tools.{index}: Input tag 'mcp_toolset' found using 'type' needs the beta header {beta.MCP}")
        if toolset.tools is not None and beta.MCP_LISTING not in betas:
            raise Refused(f"tools.{index}.mcp_toolset.tools: Extra inputs are not permitted")
        if toolset.mcp_server_name not in names:
            raise Refused(f"tools.{index}: MCP server '{toolset.mcp_server_name}' not found in mcp_servers")
    used = [toolset.mcp_server_name for _, toolset in toolsets]
    for index, server in enumerate(body.mcp_servers):
        if server.tool_configuration is not None and beta.MCP_OLD not in betas:
            raise Refused(f"mcp_servers.{index}.tool_configuration: Extra inputs are not permitted")
        if used.count(server.name) != 1 and beta.MCP_OLD not in betas:
            raise Refused(
                f"mcp_servers.{index}: MCP server '{server.name}' must be referenced by exactly one mcp_toolset in "
                f"tools, found {used.count(server.name)}"
            )


def _check_format(request: Request[Prompt]) -> None:
    output = request.body.output_config
    if output and output.format:
        if not is_schema(json.dumps(output.format.schema_)):
            raise Refused("output_config.format.schema: JSON schema is invalid.")
        _check_schema("output_config.format.schema", output.format.schema_)
    for index, tool in enumerate(request.body.tools):
        if isinstance(tool, ToolDefinition) and tool.strict:
            _check_schema(f"tools.{index}.custom.input_schema", tool.input_schema)


def _check_schema(place: str, schema: Json) -> None:
    """Raise unless every object of a schema is closed, as strict output needs it."""
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Refused(f"{place}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    inner: dict[str, Json] = {**(schema.get("properties") or {}), **(schema.get("$defs") or {})}
    if isinstance(schema.get("items"), dict):
        inner["items"] = schema["items"]
    for name, one in inner.items():
        if isinstance(one, dict):  # pyright: ignore[reportUnnecessaryIsInstance]  # schemas may hold true and false
            _check_schema(f"{place}.{name}", one)


def _check_speed(request: Request[Prompt]) -> None:
    if request.body.speed is None:
        return
    if request.body.speed == "fast" and request.model.id not in FAST_MODELS:
        raise Refused("speed: fast mode is not supported for this model")
    if request.model.id != "claude-opus-5-5" and beta.FAST not in request.caller.betas:
        raise Refused("speed: Extra inputs are not permitted")


def _check_rest(request: Request[Prompt], body: Body) -> None:
    if body.fallbacks is not None and body.fallback_credit_token is not None:
        raise Refused("fallbacks: cannot be combined with `fallback_credit_token`")
    credit = body.fallback_credit_token
    if credit is not None and (isinstance(credit, str) or credit.mode == "strict"):
        raise Refused("fallback_credit_token: the token is invalid or expired")
    if body.inference_geo is not None and request.model.bytes_per_token > 3.5 and "4-6" not in request.model.id:
        raise Refused("inference_geo: This model does not support the inference_geo parameter.")
    if any(not sequence.strip() for sequence in body.stop_sequences):
        raise Refused("stop_sequences: each stop sequence must contain non-whitespace")
    searches = [tool for tool in body.tools if isinstance(tool, ToolSearch)]
    if len(searches) > 1:
        raise Refused("tools: only one tool search tool may be provided")
