"""A toolbox whose tools are plain async functions: for tests, demonstrations and replays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from pydantic import JsonValue

from orchestrator.messages import Call, Result, Text, Tool, failed
from orchestrator.ports import Desk, ServerStatus

Play = Callable[[dict[str, JsonValue], Desk], Awaitable[str | Result]]
"""What a tool does: it gets the arguments and the desk, and returns its words or a whole result."""


class ToolFailed(Exception):
    """Raised by a play to fail; the model reads the text."""


def offered(name: str, *, read_only: bool = False, idempotent: bool = False) -> Tool:
    """Return a tool called `server__tool` that takes any arguments; its world is closed."""
    server, _, original = name.partition("__")
    return Tool(
        name=name,
        server=server,
        original=original,
        description=f"{original} of {server}",
        input_schema={"type": "object"},
        read_only=read_only,
        destructive=not read_only,
        idempotent=idempotent,
        open_world=False,
    )


class ScriptedToolbox:
    """A `Toolbox` without servers. `ScriptedToolbox([(offered("notes__read", read_only=True), read)])`."""

    def __init__(self, plays: Iterable[tuple[Tool, Play]]) -> None:
        self._plays = {tool.name: (tool, play) for tool, play in plays}

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools, sorted by name."""
        return tuple(self._plays[name][0] for name in sorted(self._plays))

    def servers(self) -> tuple[ServerStatus, ...]:
        """Return one ready server for each prefix that the tools have."""
        names = [tool.server for tool in self.tools()]
        return tuple(ServerStatus(name, "ready", tools=names.count(name)) for name in dict.fromkeys(names))

    async def settled(self, seconds: float) -> None:
        """Return at once: nothing is starting here."""

    async def known(self, seconds: float) -> None:
        """Return at once: everything is known here."""

    async def call(self, call: Call, desk: Desk) -> Result:
        """Return what the play returns; `ToolFailed` and an unknown name give a result with `is_error`."""
        if call.tool not in self._plays:
            return failed(call.id, f"No tool {call.tool!r}. There are: {', '.join(sorted(self._plays)) or 'none'}.")
        _, play = self._plays[call.tool]
        try:
            said = await play(call.arguments, desk)
        except ToolFailed as failure:
            return failed(call.id, str(failure) or "(no output)")
        if isinstance(said, Result):
            return said.model_copy(update={"call_id": call.id})
        return Result(call_id=call.id, content=(Text(text=said or "(no output)"),))
