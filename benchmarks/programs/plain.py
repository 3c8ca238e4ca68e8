"""The floor's one tool, in a server of the suite: what the suite's serving itself costs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HOUSE = Path(__file__).resolve().parents[2]
sys.path[0] = str(HOUSE)

from servers.serving import Program, run  # noqa: E402 - after the path is right
from servers.toolserver import ToolServer  # noqa: E402


def build(options: argparse.Namespace) -> ToolServer[None]:
    """Build the server."""
    server: ToolServer[None] = ToolServer("plain", instructions="", keys=options.state_keys)

    @server.tool(structured_output=False)
    async def read(path: str) -> str:
        """Return the whole text of one file."""
        return Path(path).read_text(encoding="utf-8")  # noqa: ASYNC240 - as the floor does

    return server


PROGRAM = Program("plain", "One tool.", lambda line: None, build)

if __name__ == "__main__" and sys.stdin is not None and not sys.stdin.isatty():
    raise SystemExit(run(PROGRAM))
