"""The simulator's command line."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence

import anyio

from simulator.serving import serve
from simulator.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal comes and return the exit code: 0, or 2 for options that cannot be used."""
    options = parser().parse_args(argv)
    settings = Settings(
        first_token_s=options.first_token,
        tokens_per_second=options.tokens_per_second,
        allow_loopback=options.allow_loopback,
    )

    def started(url: str) -> None:
        sys.stdout.write(f"The simulator answers at {url}. It is no model: it matches words with tools.\n")
        sys.stdout.write(f"    ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=simulator\n")
        sys.stdout.flush()

    try:
        with contextlib.suppress(KeyboardInterrupt):
            anyio.run(lambda: serve(settings, options.host, options.port, started=started))
    except OSError as taken:
        sys.stderr.write(f"simulator: cannot listen on {options.host}:{options.port}: {taken.strerror or taken}\n")
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the options."""
    line = argparse.ArgumentParser(prog="simulator", description="A Messages API on this machine, for any client.")
    line.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    line.add_argument("--port", type=int, default=8787, help="where to listen; 0 is a free port (8787)")
    line.add_argument("--first-token", type=float, default=0.0, metavar="S", help="seconds before an answer begins")
    line.add_argument("--tokens-per-second", type=float, default=0.0, metavar="N", help="speed; 0 is as fast as it can")
    line.add_argument(
        "--allow-loopback", action="store_true", help="let the connector reach MCP servers on this machine"
    )
    return line
