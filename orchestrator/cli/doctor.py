"""`doctor`: whether everything that a turn needs is there, checked for real."""

from __future__ import annotations

import os
import platform
import sys
from functools import partial
from importlib.metadata import version

import httpx2

from orchestrator.app import App
from orchestrator.cli.cleaning import one_line
from orchestrator.cli.greeting import SIMULATED
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.lists import longest_wait, server_rows
from orchestrator.cli.opening import run
from orchestrator.cli.options import Options
from orchestrator.logs import SHAPES

OLDEST_PYTHON = (3, 11)
PATIENCE = 10.0
"""Seconds for the model's endpoint to say anything at all."""
PROVIDER = "https://api.anthropic.com"


def doctor(options: Options) -> int:
    """Check Python, the config, the servers and the model's endpoint; 0 if a turn can run, else the first problem's."""
    return run(partial(_doctor), options, interactive=sys.stdin.isatty() and sys.stderr.isatty())


async def _doctor(app: App, _: Interrupts) -> int:
    good = sys.version_info >= OLDEST_PYTHON
    _say(good, f"Python {platform.python_version()}, orchestrator {version('mcp-orchestrator')}, mcp {version('mcp')}")
    _say(True, f"config: {app.config.source}")
    for name in literal_secrets(app):
        sys.stdout.write(f"! {name} looks like a secret in the file: write ${{VARIABLE}} instead\n")
    _say(os.access(app.config.data_dir, os.W_OK), f"data folder {app.config.data_dir} can be written")
    await app.toolbox.settled(longest_wait(app.config))
    servers = app.toolbox.servers()
    sys.stdout.write("\n".join(server_rows(servers)) + "\n")
    reachable, words = await endpoint(app)
    _say(reachable, words)
    if any(one.required and one.state != "ready" for one in servers):
        return 4
    return 0 if reachable and good else 3


async def endpoint(app: App) -> tuple[bool, str]:
    """Return whether something that speaks HTTP answers where the model is asked. Sends no key, costs nothing."""
    address = app.endpoint or PROVIDER
    try:
        async with httpx2.AsyncClient(timeout=PATIENCE) as client:
            answer = await client.get(f"{address.rstrip('/')}/v1/models")
    except httpx2.HTTPError as failure:
        return False, f"model endpoint {address}: nothing answers ({one_line(str(failure)) or type(failure).__name__})"
    if app.simulated:
        return True, f"model endpoint: {SIMULATED}"
    return True, f"model endpoint {address}: answers (HTTP {answer.status_code} without a key); model {app.model}"


def literal_secrets(app: App) -> list[str]:
    """Return the config keys whose values look like secrets that were written down."""
    return [
        f"mcpServers.{name}.{place}.{key}"
        for name, server in app.config.mcp_servers.items()
        for place, values in (("env", server.env), ("headers", server.headers))
        for key, value in values.items()
        if value not in os.environ.values() and any(shape.search(value) for shape in SHAPES[1:])
    ]


def _say(good: bool, words: str) -> None:
    sys.stdout.write(f"{'✓' if good else '✗'} {words}\n")
