"""Two servers behind one port, put together as `mcp-suite` does, from the sample."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from servers.serving import Part, serve
from servers.settings import add_options
from tests.servers.suite.sample import PROGRAM

if __name__ == "__main__":
    line = argparse.ArgumentParser()
    add_options(line, concurrency=8)
    options = line.parse_args(sys.argv[2:])
    notes = Path(sys.argv[1])
    parts = [
        Part(replace(PROGRAM, name=name), argparse.Namespace(notes=notes / name if name == "right" else notes))
        for name in ("left", "right")
    ]
    raise SystemExit(serve("mcp-suite", parts, options))
