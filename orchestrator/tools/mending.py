"""Lists of tools as servers really send them, made readable: for the SDK one invalid tool spoils the whole list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mcp.types import JSONRPCResponse
from mcp.types.methods import validate_server_result
from pydantic import JsonValue, ValidationError

from orchestrator.tools.texts import cleaned

Wire = dict[str, Any]
"""One tool as JSON, before anybody has checked it."""


class Mender:
    """Looks at every list of tools on its way in, and remembers what it had to change.

    `given` has the schemas that it took out, `lost` the tools that could not be kept, and why; `names` all that were
    listed, so that what the SDK itself drops can be told from what was never there.
    """

    def __init__(self) -> None:
        self.version = ""
        """The protocol's version, once it is known; nothing is mended before."""
        self.reset()

    def reset(self) -> None:
        """Forget the last list."""
        self.names: list[str] = []
        self.given: dict[str, JsonValue] = {}
        self.lost: dict[str, str] = {}

    def look(self, message: object) -> None:
        """Mend this message if it is a list of tools."""
        if not self.version or not isinstance(message, JSONRPCResponse):
            return
        tools = cast("Mapping[str, object]", message.result).get("tools")
        if isinstance(tools, list):
            entries = cast("list[object]", tools)
            kept = [entry for one in entries if (entry := self._kept(one, message.result)) is not None]
            message.result["tools"] = kept

    def _kept(self, entry: object, result: Wire) -> Wire | None:
        tool = cast(Wire, entry) if isinstance(entry, dict) else {}
        name = tool.get("name")
        if not isinstance(name, str) or not name:
            self.lost[f"(number {len(self.names) + len(self.lost) + 1})"] = "it has no name"
            return None
        self.names.append(name)
        reason = ""
        for attempt in self._attempts(tool, name):
            if not (flaw := self._flaw(attempt, result)):
                return attempt
            reason = reason or flaw
        self.lost[name] = f"its description breaks the protocol: {reason}"
        self.given.pop(name, None)
        return None

    def _attempts(self, tool: Wire, name: str) -> list[Wire]:
        """Return the tool as it is, then with less and less of it."""
        without_output = {key: value for key, value in tool.items() if key != "outputSchema"}
        plain: Wire = {"name": name, "inputSchema": {"type": "object"}}
        if isinstance(description := tool.get("description"), str):
            plain["description"] = description
        self.given[name] = tool.get("inputSchema")
        return [tool, without_output, {**without_output, "inputSchema": {"type": "object"}}, plain]

    def _flaw(self, tool: Wire, result: Wire) -> str:
        """Return what is wrong with a list of only this tool, or nothing."""
        try:
            validate_server_result("tools/list", self.version, {**result, "tools": [tool]})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            return cleaned(f"{'.'.join(map(str, first['loc'][2:]))}: {first['msg']}")[:300]
        return ""
