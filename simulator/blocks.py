"""Content blocks as a request may carry them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, ConfigDict, Field

from simulator.definitions import Definition, McpTool
from simulator.shapes import CacheControl, Json, Shape


def as_blocks(content: Any) -> Any:
    """Return a string as the one text block that it is shorthand for."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class Text(Shape):
    """Text; never empty."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    citations: list[Json] | None = None


class Base64Source(Shape):
    """Bytes in the request itself."""

    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf"]
    data: str


class UrlSource(Shape):
    """A thing the API would fetch; the simulator only counts it."""

    type: Literal["url"]
    url: str


class FileSource(Shape):
    """A file that was uploaded before."""

    type: Literal["file"]
    file_id: str


class PlainSource(Shape):
    """A text document."""

    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class ContentSource(Shape):
    """A document made of blocks."""

    type: Literal["content"]
    content: Annotated[list[Annotated[Text | Image, Field(discriminator="type")]], BeforeValidator(as_blocks)]


class Transformations(Shape):
    """What to do with an image that is too large."""

    oversized_image: Literal["downsize", "error"] = "downsize"


class Image(Shape):
    """A picture."""

    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource | FileSource, Field(discriminator="type")]
    cache_control: CacheControl | None = None
    transformations: Transformations | None = None


class Citations(Shape):
    """Whether a document may be cited."""

    enabled: bool = False


class Document(Shape):
    """A PDF, a text, or blocks, with a title."""

    type: Literal["document"]
    source: Annotated[Base64Source | UrlSource | FileSource | PlainSource | ContentSource, Field(discriminator="type")]
    cache_control: CacheControl | None = None
    citations: Citations | None = None
    context: str | None = None
    title: str | None = None


class SearchResult(Shape):
    """A passage found by the caller."""

    type: Literal["search_result"]
    source: str
    title: str
    content: list[Text]
    cache_control: CacheControl | None = None
    citations: Citations | None = None


class Thinking(Shape):
    """The model's own thinking, to be sent back unchanged; the text may be empty."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinking(Shape):
    """Thinking that only the API can read."""

    type: Literal["redacted_thinking"]
    data: str


class Caller(Shape):
    """Who made a call: the model itself or its code."""

    type: Literal["direct", "code_execution_20250825", "code_execution_20260120"]
    tool_id: str | None = None


class ToolUse(Shape):
    """A call that the client has to answer."""

    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    input: Json
    cache_control: CacheControl | None = None
    caller: Caller | None = None
    toolset_name: str | None = None


class ToolReference(Shape):
    """Names a deferred tool, which is loaded from here on."""

    type: Literal["tool_reference"]
    tool_name: str
    cache_control: CacheControl | None = None


ResultBlock = Annotated[Text | Image | SearchResult | Document | ToolReference, Field(discriminator="type")]


class ToolResult(Shape):
    """The answer to a call."""

    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    content: Annotated[list[ResultBlock], BeforeValidator(as_blocks)] = Field(default=[])
    is_error: bool = False
    cache_control: CacheControl | None = None
    toolset_name: str | None = None


class ServerToolUse(Shape):
    """A call that the API answered itself."""

    type: Literal["server_tool_use"]
    id: Annotated[str, Field(pattern=r"^srvtoolu_[a-zA-Z0-9_]+$")]
    name: str
    input: Json
    cache_control: CacheControl | None = None
    caller: Caller | None = None


class ToolsFound(Shape):
    """The tools that a search found."""

    type: Literal["tool_search_tool_search_result"]
    tool_references: list[ToolReference]


class ToolsNotFound(Shape):
    """Why a search failed."""

    type: Literal["tool_search_tool_result_error"]
    error_code: Literal["invalid_tool_input", "unavailable", "too_many_requests", "execution_time_exceeded"]
    error_message: str | None = None


class ToolSearchResult(Shape):
    """What the API's own tool search answered."""

    type: Literal["tool_search_tool_result"]
    tool_use_id: str
    content: Annotated[ToolsFound | ToolsNotFound, Field(discriminator="type")]
    cache_control: CacheControl | None = None


class McpToolUse(Shape):
    """A call that the API made on an MCP server."""

    type: Literal["mcp_tool_use"]
    id: str
    name: str
    server_name: str
    input: Json
    cache_control: CacheControl | None = None


class McpToolResult(Shape):
    """What the MCP server answered the API."""

    type: Literal["mcp_tool_result"]
    tool_use_id: str
    is_error: bool = False
    content: Annotated[list[Text], BeforeValidator(as_blocks)] = Field(default=[])
    cache_control: CacheControl | None = None


class McpToolListing(Shape):
    """The tools an MCP server listed; echoed, it pins the list."""

    type: Literal["mcp_tool_listing"]
    mcp_server_name: str
    tools: list[McpTool]


class OtherServerResult(Shape):
    """A result of a server tool which the simulator does not run; it is carried, counted and never read."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    type: Literal[
        "web_search_tool_result",
        "web_fetch_tool_result",
        "advisor_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
    ]
    tool_use_id: str


class ContainerUpload(Shape):
    """A file for the code container."""

    type: Literal["container_upload"]
    file_id: str
    cache_control: CacheControl | None = None


class ServedModel(Shape):
    """One side of a fallback."""

    model: str


class Fallback(Shape):
    """Marks where another model took over."""

    type: Literal["fallback"]
    from_: Annotated[ServedModel, Field(alias="from")]
    to: ServedModel
    trigger: Json | None = None


class ByName(Shape):
    """Names a tool of the `tools` array."""

    type: Literal["tool_reference"]
    name: str


class ByServer(Shape):
    """Names one tool of an MCP server."""

    type: Literal["mcp_tool_reference"]
    server_name: str
    name: str


class ByToolset(Shape):
    """Names all tools of an MCP server."""

    type: Literal["mcp_toolset_reference"]
    server_name: str


class Inline(Shape):
    """Brings a definition that was not in `tools`."""

    type: Literal["tool_definition"]
    definition: Definition


class ToolAddition(Shape):
    """From here on the model may use this tool."""

    type: Literal["tool_addition"]
    tool: Annotated[ByName | ByServer | ByToolset | Inline, Field(discriminator="type")]
    cache_control: CacheControl | None = None


class ToolRemoval(Shape):
    """From here on the model may not use this tool."""

    type: Literal["tool_removal"]
    tool: Annotated[ByName | ByServer | ByToolset, Field(discriminator="type")]
    cache_control: CacheControl | None = None


class Compaction(Shape):
    """A summary that stands for everything before it."""

    type: Literal["compaction"]
    content: str | None = None
    encrypted_content: str | None = None
    signature: str | None = None
    tool_changes: list[Annotated[ToolAddition | ToolRemoval, Field(discriminator="type")]] | None = None
    cache_control: CacheControl | None = None


Block = Annotated[
    Text
    | Image
    | Document
    | SearchResult
    | Thinking
    | RedactedThinking
    | ToolUse
    | ToolResult
    | ToolReference
    | ServerToolUse
    | ToolSearchResult
    | McpToolUse
    | McpToolResult
    | McpToolListing
    | OtherServerResult
    | ContainerUpload
    | Fallback
    | Compaction
    | ToolAddition
    | ToolRemoval,
    Field(discriminator="type"),
]


def text_of(content: list[Any]) -> str:
    """Return the text blocks of `content`, a blank line between them."""
    return "\n\n".join(cast(Text, block).text for block in content if block.type == "text")


ContentSource.model_rebuild()
