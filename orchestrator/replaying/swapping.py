"""Make the calls of a cassette again, to a server that is another one now, and see whether it answers as it did."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from orchestrator.events import ToolStarted
from orchestrator.messages import Call, Result
from orchestrator.ports import Toolbox
from orchestrator.replaying.cassette import Cassette
from orchestrator.replaying.players import CassetteDesk
from orchestrator.tools.names import ODD


@dataclass(frozen=True)
class Compared:
    """A call that was made again; `then` is None if no result was recorded."""

    turn: int
    call: Call
    then: Result | None
    now: Result

    @property
    def changed(self) -> bool:
        """Whether the model would have read something else."""
        return self.then is None or (self.then.content, self.then.is_error) != (self.now.content, self.now.is_error)


async def swapped(cassette: Cassette, servers: Collection[str], toolbox: Toolbox) -> AsyncGenerator[Compared]:
    """Give each call to `servers` that was started then, made again in the recorded order, one after the other.

    The calls are real, with the arguments that the user allowed. What a server asks is answered as it was then.
    """
    desk = CassetteDesk(cassette)
    offered = {tool.name for tool in toolbox.tools() if tool.server in servers}
    prefixes = tuple(ODD.sub("_", f"{server}__") for server in servers)
    for number, tape in enumerate(cassette.tapes, 1):
        for recorded in tape.events:
            event = recorded.event
            if not isinstance(event, ToolStarted) or not (event.tool in offered or event.tool.startswith(prefixes)):
                continue
            if one := tape.calls.get(event.call_id):
                call = one.call.model_copy(update={"arguments": one.arguments})
                yield Compared(number, call, one.result, await toolbox.call(call, desk))
