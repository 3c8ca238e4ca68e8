"""The floor: a server of the bare SDK with one tool, which reads a text file and does nothing else."""

from __future__ import annotations

import sys
from pathlib import Path

from mcp.server import MCPServer

STRUCTURED = "--structured" in sys.argv

server = MCPServer("floor", version="1", log_level="ERROR")


@server.tool(structured_output=STRUCTURED)
async def read(path: str) -> str:
    """Return the whole text of one file."""
    return Path(path).read_text(encoding="utf-8")  # noqa: ASYNC240 - the floor does the least that can be done


if __name__ == "__main__" and sys.stdin is not None and not sys.stdin.isatty():
    if "--port" in sys.argv:
        server.run("streamable-http", port=int(sys.argv[sys.argv.index("--port") + 1]))
    else:
        server.run()
