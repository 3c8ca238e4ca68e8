"""What is known of one attempt to use a server, for the report if it fails."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio

from orchestrator.tools.mending import Mender
from orchestrator.tools.problems import Phase
from orchestrator.tools.processes import Child


@dataclass
class Trace:
    """How far an attempt came. It is written by whoever is at work, and read when the attempt is over."""

    phase: Phase = "config"
    child: Child | None = None
    status: int = 0
    """The last HTTP status."""
    stray: int = 0
    """How many lines it wrote to its standard output that were not messages."""
    mender: Mender = field(default_factory=Mender)
    lost: anyio.Event = field(default_factory=anyio.Event)
    """Set when nothing more will come from the server."""
