"""How one simulator behaves. All of it has a default, so `Settings()` is a simulator."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.faults import Fault
    from simulator.scenario import Scenario


@dataclass(frozen=True)
class Limits:
    """The buckets of one key, per minute. None is no limit."""

    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Settings:
    """What one simulator does; the state lives in the app that is built from it."""

    scenario: Scenario | None = None
    """What to say when; without one, or where none of its rules fits, the brain decides."""
    first_token_s: float = 0.0
    """Seconds before the answer begins."""
    tokens_per_second: float = 0.0
    """Speed of the answer; 0 is as fast as it can."""
    faults: tuple[Fault, ...] = ()
    """One fault per request to `/v1/messages`, in order; after the last one all goes well."""
    limits: Limits = Limits()
    clock: Callable[[], float] = time.time
    """Seconds since 1970; a test may move it, the cache and the buckets follow."""
    api_keys: frozenset[str] | None = None
    """The keys that are let in; None lets in any."""
    allow_loopback: bool = False
    """Whether the connector may reach MCP servers on this machine, over plain http too."""
    ledger: Path | None = None
    """A JSONL file to which every request is added."""
    batch_seconds: float = 0.0
    """How long a batch takes before its results are there."""
    fault_headers: bool = True
    """Whether a request may ask for a fault with `x-simulator-fault`."""
