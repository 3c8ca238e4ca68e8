"""Whether the `tools` array is one that the API takes."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence

from jsonschema import Draft202012Validator, SchemaError

from simulator import schemas
from simulator.definitions import Definition, McpToolset, OtherTool, ToolDefinition, ToolSearch
from simulator.errors import Refused
from simulator.shapes import Json

PROPERTY = re.compile(r"^[a-zA-Z0-9_.-]{1,64}$")
MOST_DEFERRED, LARGEST_DEFINITIONS = 10_000, 4 * 1024 * 1024


def check(tools: Sequence[Definition]) -> None:
    """Raise `Refused` for the first tool that would make the API refuse the whole request."""
    for index, tool in enumerate(tools):
        if isinstance(tool, ToolDefinition):
            _check_custom(f"tools.{index}.custom", tool)
    names = [name for tool in tools if (name := name_of(tool))]
    if len(names) != len(set(names)):
        raise Refused("tools: Tool names must be unique.")
    loadable = [tool for tool in tools if not isinstance(tool, McpToolset | ToolSearch)]
    toolsets = any(isinstance(tool, McpToolset) for tool in tools)
    if loadable and not toolsets and all(tool.defer_loading for tool in tools if not isinstance(tool, McpToolset)):
        raise Refused("At least one tool must have defer_loading=false. All tools cannot be deferred.")
    if sum(tool.defer_loading for tool in loadable) > MOST_DEFERRED:
        raise Refused(f"tools: at most {MOST_DEFERRED} tools may be deferred")


def name_of(tool: Definition) -> str | None:
    """Return the name by which the model calls a tool; a toolset has none."""
    return None if isinstance(tool, McpToolset) else tool.name


def _check_custom(place: str, tool: ToolDefinition) -> None:
    schema = tool.input_schema
    if schema.get("type") != "object":
        found = "Field required" if "type" not in schema else "Input should be 'object'"
        raise Refused(f"{place}.input_schema.type: {found}")
    if any(key in schema for key in ("oneOf", "allOf", "anyOf")):
        raise Refused(f"{place}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")
    properties = schema.get("properties")
    if isinstance(properties, dict):
        keys: list[str] = list(properties)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        if any(not PROPERTY.match(key) for key in keys):
            raise Refused(f"{place}.input_schema.properties: Property keys should match pattern '{PROPERTY.pattern}'")
    if not is_schema(json.dumps(schema)):
        raise Refused(
            f"{place}.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
            "(https://json-schema.org/draft/2020-12)."
        )
    for number, example in enumerate(tool.input_examples or []):
        if not schemas.fits(schema, example):
            raise Refused(f"{place}.input_examples.{number}: Input example does not match the tool's input_schema")


@functools.lru_cache(maxsize=2_048)
def is_schema(text: str) -> bool:
    """Whether a text is a JSON Schema of draft 2020-12."""
    schema: Json = json.loads(text)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError:
        return False
    return True


def is_server_tool(tool: Definition) -> bool:
    """Whether the API runs this tool itself."""
    return isinstance(tool, ToolSearch | McpToolset) or (
        isinstance(tool, OtherTool) and tool.type.startswith(("web_", "code_execution_", "advisor_"))
    )
