"""The MCP server of the files: tools with slim schemas, and resources whose list and types come from the disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp.types import Icon, ToolAnnotations

from servers.files.protocol.schemas import slim_input, slim_output
from servers.toolserver import ToolServer


class FilesServer(ToolServer[Any]):
    """A `ToolServer` whose tool list fits in 6 KB."""

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
