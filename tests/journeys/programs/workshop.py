"""An MCP server for stories: calls that meet, fail, wait, and leave a trace on disk. `workshop.py FOLDER`"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

FOLDER = Path(sys.argv[1])
server = MCPServer("workshop", log_level="WARNING")
present = 0
everybody = anyio.Event()


@server.tool(annotations=ToolAnnotations(read_only_hint=True, open_world_hint=False))
async def meet(people: int, name: str) -> str:
    """Wait until so many calls are here at the same time."""
    global present
    present += 1
    if present == people:
        everybody.set()
    with anyio.fail_after(60):
        await everybody.wait()
    return f"{name} met {people - 1} others"


@server.tool(annotations=ToolAnnotations(open_world_hint=False))
async def note(name: str) -> str:
    """Write a line to the trace."""
    with (FOLDER / "trace").open("a") as trace:
        trace.write(f"{name}\n")
    return f"noted {name}"


@server.tool(annotations=ToolAnnotations(open_world_hint=False))
async def fail(name: str) -> str:
    """Fail."""
    raise ToolError(f"{name} cannot be done. Try something else.")


@server.tool(annotations=ToolAnnotations(open_world_hint=False))
async def hang(name: str) -> str:
    """Write a line to the trace, and never answer."""
    with (FOLDER / "trace").open("a") as trace:
        trace.write(f"{name}\n")
    (FOLDER / "hanging").write_text(str(os.getpid()))
    await anyio.sleep_forever()
    return "never"


server.run()
