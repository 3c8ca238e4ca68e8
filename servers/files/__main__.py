"""The files server as a program: `python -m servers.files`, installed as `mcp-files`."""

from servers.files.server import PROGRAM
from servers.serving import run


def main() -> int:
    """Serve until the client leaves; return the exit code."""
    return run(PROGRAM)


if __name__ == "__main__":
    raise SystemExit(main())
