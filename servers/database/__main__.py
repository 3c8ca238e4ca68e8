"""The database server as a program: `python -m servers.database`, installed as `mcp-database`."""

from servers.database.server import PROGRAM
from servers.serving import run


def main() -> int:
    """Serve until the client leaves; return the exit code."""
    return run(PROGRAM)


if __name__ == "__main__":
    raise SystemExit(main())
