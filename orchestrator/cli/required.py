"""Servers without which nothing is asked of the model."""

from __future__ import annotations

from orchestrator.app import App
from orchestrator.cli.cleaning import clean
from orchestrator.errors import ServerMissing

STEP = 0.25
"""Seconds between two looks; the toolbox itself gives up on a server after its `connect_timeout`."""


async def check_required(app: App) -> None:
    """Return once every required server is ready. Raises `ServerMissing` with the server's own report."""
    while any(one.required and one.state == "starting" for one in app.toolbox.servers()):
        await app.toolbox.settled(STEP)
    missing = [one for one in app.toolbox.servers() if one.required and one.state != "ready"]
    if missing:
        reports = "\n".join(clean(one.problem) or f"{one.name}: {one.state}" for one in missing)
        raise ServerMissing(f"A required server cannot be used.\n{reports}", "Nothing was sent to the model.")
