"""The tools, resources and prompts that the conformance suite looks for: what a server answers."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import anyio
from mcp.server.mcpserver import Context, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    AudioContent,
    CallToolResult,
    Completion,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

from servers.toolserver import ToolServer


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
)
WAV = (
    b"RIFF"
    + struct.pack("<I", 38)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    + b"data\2\0\0\0\x80\x80"
)
IMAGE = ImageContent(data=base64.b64encode(PNG).decode(), mime_type="image/png")
AUDIO = AudioContent(data=base64.b64encode(WAV).decode(), mime_type="audio/wav")


def embedded(uri: str, text: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(resource=TextResourceContents(uri=uri, text=text, mime_type=mime_type))


def add_tools(server: ToolServer[None]) -> None:
    @server.tool(structured_output=False)
    async def test_simple_text() -> str:
        """Return text."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    async def test_image_content() -> CallToolResult:
        """Return an image."""
        return CallToolResult(content=[IMAGE])

    @server.tool(structured_output=False)
    async def test_audio_content() -> CallToolResult:
        """Return audio."""
        return CallToolResult(content=[AUDIO])

    @server.tool(structured_output=False)
    async def test_embedded_resource() -> CallToolResult:
        """Return a resource."""
        return CallToolResult(content=[embedded("test://embedded-resource", "This is an embedded resource content.")])

    @server.tool(structured_output=False)
    async def test_multiple_content_types() -> CallToolResult:
        """Return text, an image and a resource."""
        data = embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")
        return CallToolResult(content=[TextContent(text="Multiple content types test:"), IMAGE, data])

    @server.tool(structured_output=False)
    async def test_error_handling() -> str:
        """Always fail."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context) -> str:
        """Report progress three times."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await anyio.sleep(0.05)
        return "Tool with progress completed"


def add_resources(server: ToolServer[None]) -> None:
    @server.resource("test://static-text", name="static-text", description="A static text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", name="static-binary", description="An image.", mime_type="image/png")
    def static_binary() -> bytes:
        return PNG

    @server.resource("test://watched-resource", name="watched", description="Watched.", mime_type="text/plain")
    def watched() -> str:
        return "Watched resource content."

    @server.resource("test://template/{id}/data", name="template", description="By id.", mime_type="application/json")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.completion()
    async def complete(ref: object, argument: object, context: object) -> Completion:
        return Completion(values=["paris", "park", "party"], total=3, has_more=False)


def add_prompts(server: ToolServer[None]) -> None:
    @server.prompt()
    def test_simple_prompt() -> str:
        """Return one message."""
        return "This is a simple prompt for testing."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """Return one message with both arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 - the suite's own name
        """Return a resource and a request."""
        resource = embedded(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    def test_prompt_with_image() -> list[UserMessage]:
        """Return an image and a request."""
        return [UserMessage(IMAGE), UserMessage("Please analyze the image above.")]
