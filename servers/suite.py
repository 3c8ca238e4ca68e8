"""Several servers of the suite behind one port: `mcp-suite --http 127.0.0.1:8000 files='--root /srv' database='…'`.

Each is named with its own options, quoted as in a shell, and served at `/<name>/mcp`; all share one token file, one
audit and one set of limits.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Sequence

from servers.serving import Part, Program, refuse, serve
from servers.settings import CannotServe, add_options

SERVERS = ("files", "database", "fetch")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the named servers until a signal comes; return the exit code."""
    line = argparse.ArgumentParser(prog="mcp-suite", description=(__doc__ or "").partition("\n")[0])
    add_options(line, concurrency=8)
    example = "e.g. fetch= or files='--root /srv'; its options are those of mcp-NAME --help"
    line.add_argument("servers", nargs="+", metavar="NAME=OPTIONS", help=example)
    options = line.parse_args(argv)
    try:
        parts = [_part(text) for text in options.servers]
        if len({part.program.name for part in parts}) != len(parts):
            raise CannotServe("a server is named twice; give all its options at once.")
    except CannotServe as refusal:
        return refuse("mcp-suite", str(refusal), check=options.check)
    return serve("mcp-suite", parts, options)


def _part(text: str) -> Part:
    name, _, own = text.partition("=")
    if name not in SERVERS:
        raise CannotServe(f"there is no server {name!r}; there are {', '.join(SERVERS)}.")
    program: Program = importlib.import_module(f"servers.{name}.server").PROGRAM
    line = argparse.ArgumentParser(prog=f"mcp-suite {name}=", description=program.summary)
    program.add_options(line)
    try:
        return Part(program, line.parse_args(shlex.split(own)))
    except ValueError as wrong:  # of shlex: a quote that nobody closes
        raise CannotServe(
            f"the options of {name} cannot be read: {str(wrong).lower()}. Quote them as in a shell."
        ) from None


if __name__ == "__main__":
    raise SystemExit(main())
