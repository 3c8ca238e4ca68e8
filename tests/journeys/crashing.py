"""Kill a host at a chosen or at any moment, start it again, and judge what is left: the journal, the trace on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import anyio

from orchestrator.conversation import UNKNOWN_OUTCOME, fold
from orchestrator.events import ToolFinished, ToolStarted, TurnFinished
from orchestrator.messages import Text
from orchestrator.store.sqlite import SqliteStore
from tests.orchestrator.playing import breaches

HOUSE = Path(__file__).parents[2]
HOST = Path(__file__).parent / "programs" / "host.py"
APPENDS = 6 * (1 + 3 * 2) + 2
"""How often the journal is written to in the whole turn, after its first event."""
CALLS = [f"{name}{step}" for step in range(1, 7) for name in ("a", "b", "look")]


def host(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start the host."""
    environment = {**os.environ, "PYTHONPATH": str(HOUSE)}
    log = (folder / "log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, str(HOST), str(folder), *words], env=environment, stdout=log, stderr=log
        )


def killed_at(folder: Path, when: str, count: int) -> None:
    """Run the host until it kills itself before or after its n-th append."""
    assert host(folder, when, str(count)).wait(120) == -signal.SIGKILL, (folder / "log").read_text()


def killed_after(folder: Path, seconds: float) -> bool:
    """Run the host and kill it after some time; false if it was done before."""
    process = host(folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def finished(folder: Path) -> None:
    """Run the host to its end."""
    assert host(folder).wait(120) == 0, (folder / "log").read_text()


def verdict(folder: Path, kills: int) -> list[str]:
    """Return which promises were broken: nothing, if all were kept."""
    return anyio.run(_verdict, folder, kills)


async def _verdict(folder: Path, kills: int) -> list[str]:
    store = SqliteStore(folder / "journal.db")
    head = (await store.heads())[0]
    recorded = await store.events(head.id)
    await store.close()
    events = [one.event for one in recorded]
    results = {event.call_id: event.result for event in events if isinstance(event, ToolFinished)}
    unknown = {name for name, result in results.items() if result.content == (Text(text=UNKNOWN_OUTCOME),)}
    starts = Counter(event.call_id for event in events if isinstance(event, ToolStarted))
    path = folder / "trace"
    trace = Counter(path.read_text().split() if path.exists() else [])
    asked = len((folder / "asked").read_text().split())
    broken = breaches(fold(head.id, recorded).messages)
    if not isinstance(events[-1], TurnFinished) or events[-1].reason != "done":
        broken.append(f"the turn ended as {events[-1]}")
    if sorted(results) != sorted(CALLS):
        broken.append(f"results of {sorted(results)}")
    broken += [f"{name} was started {count} times" for name, count in starts.items() if count > 1]
    broken += [f"{name} took effect {count} times" for name, count in trace.items() if count > 1]
    broken += [f"{name} has a result and no effect" for name in CALLS if missing(name, trace) and name not in unknown]
    broken += [f"{name} only reads, and is called unknown" for name in unknown if name.startswith("look")]
    if asked > 7 + kills:
        broken.append(f"the model was asked {asked} times for 7 answers, with {kills} kills")
    return broken


def missing(name: str, trace: Counter[str]) -> bool:
    """Whether a call that leaves a trace left none."""
    return not name.startswith("look") and trace[name] == 0
