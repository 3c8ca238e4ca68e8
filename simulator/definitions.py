"""Entries of the `tools` array, `tool_choice`, and the MCP servers of the connector."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import ConfigDict, Discriminator, Field, Tag

from simulator.shapes import CacheControl, Json, Shape, ToolName

AllowedCaller = Literal["direct", "code_execution_20250825", "code_execution_20260120", "code_execution_20260521"]


class ToolDefinition(Shape):
    """A tool that the client runs."""

    name: ToolName
    input_schema: Json
    type: Literal["custom"] | None = None
    description: str | None = None
    cache_control: CacheControl | None = None
    strict: bool = False
    defer_loading: bool = False
    eager_input_streaming: bool | None = None
    input_examples: list[Json] | None = None
    allowed_callers: list[AllowedCaller] | None = None


class ToolSearch(Shape):
    """A search over the deferred tools which the API runs itself."""

    type: Literal[
        "tool_search_tool_regex_20251119",
        "tool_search_tool_regex",
        "tool_search_tool_bm25_20251119",
        "tool_search_tool_bm25",
    ]
    name: Literal["tool_search_tool_regex", "tool_search_tool_bm25"]
    cache_control: CacheControl | None = None
    strict: bool = False
    defer_loading: bool = False
    allowed_callers: list[AllowedCaller] | None = None


class McpTool(Shape):
    """A tool as an MCP server listed it."""

    name: str
    input_schema: Json
    description: str | None = None


class McpToolConfig(Shape):
    """What a request says about a connector's tool."""

    enabled: bool | None = None
    defer_loading: bool | None = None


class McpToolset(Shape):
    """All tools of one of the request's `mcp_servers`."""

    type: Literal["mcp_toolset"]
    mcp_server_name: str
    default_config: McpToolConfig = McpToolConfig()
    configs: dict[str, McpToolConfig] | None = None
    tools: list[McpTool] | None = None
    cache_control: CacheControl | None = None


class OtherTool(Shape):
    """A tool that the API defines (bash, web search, ...); accepted, never called by the simulator."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    type: str
    name: ToolName | None = None
    cache_control: CacheControl | None = None
    defer_loading: bool = False


KNOWN_OTHERS = (
    "bash_",
    "text_editor_",
    "computer_",
    "memory_",
    "web_search_",
    "web_fetch_",
    "code_execution_",
    "advisor_",
    "browser_toolset_",
)


def kind_of(entry: Any) -> str | None:
    """Return the tag by which the API files a tool entry; it is also part of the path in its errors."""
    kind: Any = cast(Json, entry).get("type") if isinstance(entry, dict) else getattr(entry, "type", None)
    if kind in (None, "custom"):
        return "custom"
    if kind == "mcp_toolset":
        return "mcp_toolset"
    if isinstance(kind, str) and kind.startswith("tool_search_tool_"):
        return "tool_search"
    return "other" if isinstance(kind, str) and kind.startswith(KNOWN_OTHERS) else None


Definition = Annotated[
    Annotated[ToolDefinition, Tag("custom")]
    | Annotated[ToolSearch, Tag("tool_search")]
    | Annotated[McpToolset, Tag("mcp_toolset")]
    | Annotated[OtherTool, Tag("other")],
    Discriminator(
        kind_of,
        custom_error_type="unknown_tool_type",
        custom_error_message="Input tag found using 'type' does not match any of the expected tags",
    ),
]


class ToolChoice(Shape):
    """How the model may choose."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class LegacyToolConfiguration(Shape):
    """How `mcp-client-2025-04-04` chose tools; later betas refuse it."""

    allowed_tools: list[str] | None = None
    enabled: bool | None = None


class McpServer(Shape):
    """An MCP server that the API shall connect to."""

    type: Literal["url"]
    url: str
    name: Annotated[str, Field(min_length=1)]
    authorization_token: str | None = None
    tool_configuration: LegacyToolConfiguration | None = None
