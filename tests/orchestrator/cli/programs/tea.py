"""An MCP server at which a user can be asked, and wait: `tea.py`."""

from __future__ import annotations

from typing import Annotated

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Elicit, Resolve
from mcp.types import ToolAnnotations
from pydantic import BaseModel

READ_ONLY = ToolAnnotations(read_only_hint=True)
server = MCPServer("tea", log_level="WARNING")


class Wish(BaseModel):
    """What the user wants."""

    kind: str
    cups: int


async def wish(pot: str) -> Elicit[Wish] | Wish:
    return Elicit(f"What goes into the {pot} pot?", Wish)


@server.tool(annotations=READ_ONLY)
async def serve(pot: str, wish: Annotated[Wish, Resolve(wish)]) -> str:
    """Ask what is wanted, and serve it."""
    return f"{wish.cups} cups of {wish.kind} from the {pot} pot"


@server.tool()
async def brew(kind: str) -> str:
    """Brew tea."""
    return f"brewed {kind}"


@server.tool(annotations=READ_ONLY)
async def steep(minutes: int) -> str:
    """Wait for the tea, for ever."""
    await anyio.sleep_forever()
    return f"{minutes} minutes"


server.run()
