"""The MCP server of the files: tools with slim schemas, and resources whose list and types come from the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, get_type_hints

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.types import (
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    Icon,
    InputRequiredResult,
    PromptReference,
    Resource,
    ResourceTemplateReference,
    SubscribeRequestParams,
    ToolAnnotations,
    UnsubscribeRequestParams,
)

from servers.files.protocol.resources import TEMPLATE, completed, mime_of_resource, read, resources
from servers.files.protocol.schemas import slim_input, slim_output
from servers.files.protocol.threads import in_thread
from servers.files.protocol.watching import Watching
from servers.files.served import Served
from servers.toolserver import ToolServer


class FilesServer(ToolServer[Any]):
    """A `ToolServer` whose tool list fits in 6 KB, and whose resources are what lies in `served`."""

    def __init__(self, served: Served, *, instructions: str, keys: Sequence[bytes], watching: Watching | None) -> None:
        super().__init__(
            "files",
            title="Files",
            instructions=instructions,
            keys=keys,
            lifespan=watching.running if watching else None,
            subscriptions=watching.bus if watching else False,
        )
        self._served = served
        self.resource(TEMPLATE, name="file", description="A file, or a folder if it ends in a slash.")(self._read)
        self.completion()(self._complete)
        if watching is not None:
            add = self._lowlevel_server.add_request_handler
            add("resources/subscribe", SubscribeRequestParams, watching.subscribers.subscribe)
            add("resources/unsubscribe", UnsubscribeRequestParams, watching.subscribers.unsubscribe)

    async def _read(self, root: str, path: str) -> str | bytes:
        return await in_thread(lambda patience: read(self._served, root, path, patience))

    async def _complete(
        self,
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        if not isinstance(ref, ResourceTemplateReference) or argument.name not in ("root", "path"):
            return None
        root = (context.arguments or {}).get("root") if context else None
        return await in_thread(lambda patience: completed(self._served, argument.name, argument.value, root, patience))

    async def list_resources(self) -> list[Resource]:
        """Return the folders and what lies at their top, as it is now."""
        return await in_thread(lambda patience: resources(self._served, patience))

    async def read_resource(
        self, uri: Any, context: Context[Any, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read a resource as the suite does, and say of which type it is."""
        found = await super().read_resource(uri, context)
        if isinstance(found, InputRequiredResult):
            return found
        return [replace(each, mime_type=mime_of_resource(str(uri), each.content)) for each in found]

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
        """Add a tool as every server of the suite does, with shorter schemas."""
        super().add_tool(fn, name, title, description, annotations, icons, meta, structured_output)
        tool = self._tool_manager.get_tool(name or fn.__name__)
        if tool is not None:
            tool.parameters = slim_input(tool.parameters)
            if tool.fn_metadata.output_schema is not None:
                tool.fn_metadata.output_schema = slim_output(tool.fn_metadata.output_schema)
            if get_type_hints(fn).get("return") is CallToolResult:  # made ready by hand, for it may be long
                tool.fn_metadata.output_model = None
