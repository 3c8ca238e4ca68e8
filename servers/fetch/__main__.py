"""The fetch server as a program: `python -m servers.fetch`, installed as `mcp-fetch`."""

from servers.fetch.server import PROGRAM
from servers.serving import run


def main() -> int:
    """Serve until the client leaves; return the exit code."""
    return run(PROGRAM)


if __name__ == "__main__":
    raise SystemExit(main())
