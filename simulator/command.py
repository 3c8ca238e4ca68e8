"""The simulator's command line."""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from simulator.serving import serve
from simulator.settings import Limits, Settings


def main(argv: Sequence[str] | None = None, name: str = "simulator") -> int:
    """Serve until a signal comes and return the exit code: 0, or 2 for options that cannot be used.

    `name` is the command that its help speaks of. At the end a table of what the requests cost is written to standard
    output.
    """
    options = parser(name).parse_args(argv)
    try:
        settings = settings_of(options)
    except OSError as wrong:
        sys.stderr.write(f"simulator: {wrong.filename}: {wrong.strerror or wrong}\n")
        return 2
    except ValueError as wrong:
        sys.stderr.write(f"simulator: {wrong}\n")
        return 2
    with_scenario = f" Scenario: {settings.scenario.name or options.scenario}." if settings.scenario else ""

    def started(url: str) -> None:
        sys.stdout.write(
            f"The simulator answers at {url}. It is no model: it matches words with tools.{with_scenario}\n"
        )
        sys.stdout.write(f"    ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=simulator\n")
        sys.stdout.flush()

    def stopped(table: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # whoever started us need not be there any more
            sys.stdout.write(table + "\n" if table else "")
            sys.stdout.flush()

    try:
        anyio.run(lambda: serve(settings, options.host, options.port, started=started, stopped=stopped))
    except OSError as taken:
        sys.stderr.write(f"simulator: cannot listen on {options.host}:{options.port}: {taken.strerror or taken}\n")
        return 2
    return 0


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings that options ask for. Raises `ValueError` with words for the user.

    Raises `OSError` for a scenario that cannot be read and a ledger that cannot be written.
    """
    from simulator import faults, scenario

    if options.ledger:
        with Path(options.ledger).open("a", encoding="utf-8"):
            pass
    return Settings(
        scenario=scenario.load(Path(options.scenario)) if options.scenario else None,
        first_token_s=options.first_token,
        tokens_per_second=options.tokens_per_second,
        faults=tuple(faults.parse(text) or faults.PASS for text in options.fault),
        limits=Limits(options.requests_per_minute, options.input_tokens_per_minute, options.output_tokens_per_minute),
        allow_loopback=options.allow_loopback,
        ledger=Path(options.ledger) if options.ledger else None,
        batch_seconds=options.batch_seconds,
    )


def parser(name: str = "simulator") -> argparse.ArgumentParser:
    """Return the options."""
    line = argparse.ArgumentParser(prog=name, description="A Messages API on this machine, for any client.")
    line.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    line.add_argument("--port", type=_port, default=8787, help="where to listen; 0 is a free port (8787)")
    line.add_argument("--scenario", metavar="FILE", help="what to say when, as YAML; see docs/simulator.md")
    line.add_argument("--first-token", type=_amount, default=0.0, metavar="S", help="seconds before an answer begins")
    line.add_argument(
        "--tokens-per-second", type=_amount, default=0.0, metavar="N", help="speed; 0 is as fast as it can"
    )
    line.add_argument(
        "--fault", action="append", default=[], metavar="FAULT", help="what meets the next request: 529, cut"
    )
    line.add_argument("--requests-per-minute", type=_count, metavar="N", help="rate limit for each key")
    line.add_argument("--input-tokens-per-minute", type=_count, metavar="N", help="rate limit, cache reads not counted")
    line.add_argument("--output-tokens-per-minute", type=_count, metavar="N", help="rate limit")
    line.add_argument(
        "--allow-loopback", action="store_true", help="let the connector reach MCP servers on this machine"
    )
    line.add_argument("--ledger", metavar="FILE", help="add each request with its tokens and cost to this JSONL file")
    line.add_argument("--batch-seconds", type=_amount, default=0.0, metavar="S", help="how long a batch takes")
    return line


def _port(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: it is a number from 0 to 65535")
    return number


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return number


def _amount(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number
