"""A million events in one file: how long it takes to list, open, search, fork, and to append.

python benchmarks/store.py [EVENTS]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

import anyio
import apsw

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from orchestrator.events import (  # noqa: E402 - after the path is right
    DurableEvent,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Message, Result, Text, Usage  # noqa: E402
from orchestrator.ports import TurnRef  # noqa: E402
from orchestrator.store import rows  # noqa: E402
from orchestrator.store.sqlite import SqliteStore  # noqa: E402

PER_CONVERSATION = 20
WORDS = [f"{a}{b}{c}" for a in ("tea", "sen", "dar", "ass") for b in ("po", "li", "ra", "mu") for c in "aeioutnsr"]
BUDGET_MS = 50


def turn(chance: random.Random, number: int) -> list[DurableEvent]:
    """Return a turn of ten events: a question, four calls, two answers, an end."""

    def words(count: int) -> str:
        return " ".join(chance.choices(WORDS, k=count))

    def step(place: int) -> StepFinished:
        message = Message(role="assistant", content=(Text(text=words(60)),))
        return StepFinished(step=place, message=message, stop="done", usage=Usage(), model="m")

    calls: list[DurableEvent] = []
    for call in range(3):
        calls.append(ToolStarted(call_id=f"{number}.{call}", tool="files__read", why="benchmark"))
        result = Result(call_id=f"{number}.{call}", content=(Text(text=words(80)),))
        calls.append(ToolFinished(call_id=f"{number}.{call}", result=result))
    return [TurnStarted(content=(Text(text=words(12)),)), step(1), *calls, step(2), TurnFinished(reason="done")]


def fill(path: Path, events: int) -> None:
    """Write `events` events, in conversations of twenty."""
    chance = random.Random(1)
    database = apsw.Connection(str(path))
    for pragma in ("journal_mode = wal", "synchronous = off", "foreign_keys = on"):
        database.execute(f"pragma {pragma}")
    for first in range(0, events // PER_CONVERSATION, 1000):
        with database:
            for number in range(first, min(first + 1000, events // PER_CONVERSATION)):
                name = f"c_{number:08d}"
                database.execute("insert into conversations (id, created, updated) values (?, 0, ?)", (name, number))
                for half in range(2):
                    ref = TurnRef(name, f"{name}.{half}", 1)
                    sql = "insert into turns (id, conversation_id, owner) values (?, ?, 'bench')"
                    database.execute(sql, (ref.turn_id, name))
                    rows.insert(database, ref, turn(chance, number))
    database.close()


async def measure(path: Path, events: int) -> bool:
    """Print the median of each operation, and return whether all are within the budget."""
    store = SqliteStore(path)
    chance = random.Random(2)
    names = [f"c_{chance.randrange(events // PER_CONVERSATION):08d}" for _ in range(200)]
    await store.create("here")
    await store.begin("here", "t", "bench", TurnStarted(content=(Text(text="x"),)))
    ref = await store.claim("here", "t", "bench")

    async def append(number: int) -> None:
        await store.append(ref, [ToolStarted(call_id=f"n{number}", tool="t", why="benchmark")])

    operations: dict[str, Callable[[int], Awaitable[object]]] = {
        "list the newest 50": lambda _: store.heads(50),
        "open a conversation": lambda n: store.events(names[n]),
        "search a rare pair of words": lambda n: store.search(f"{WORDS[n % 70]} {WORDS[n % 71]} {WORDS[n % 69]}"),
        "search a word that is everywhere": lambda n: store.search(WORDS[n % 20]),
        "search in what tools returned": lambda n: store.search(WORDS[n % 20], results=True),
        "search what is nowhere": lambda _: store.search("zanzibar"),
        "fork a conversation": lambda n: store.fork(names[n], f"fork {n}", 2**53),
        "append an event, on disk": append,
    }
    good = True
    print(f"| with {events:,} events | p50 ms | worst of 100 |")
    print("|---|---:|---:|")
    for name, operation in operations.items():
        times: list[float] = []
        for number in range(100):
            began = time.perf_counter()
            await operation(number)
            times.append((time.perf_counter() - began) * 1000)
        good = good and median(times) <= BUDGET_MS
        print(f"| {name} | {median(times):.2f} | {max(times):.1f} |")
    await store.close()
    return good


def main() -> int:
    """Fill a file, measure, and return 1 if the budget is not met."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        anyio.run(SqliteStore(path).close)
        began = time.perf_counter()
        fill(path, events)
        size = path.stat().st_size / 2**20
        print(f"{events:,} events ({size:,.0f} MB) written in {time.perf_counter() - began:.0f} s")
        print(f"budget: {BUDGET_MS} ms for each row\n")
        return 0 if anyio.run(measure, path, events) else 1


if __name__ == "__main__":
    raise SystemExit(main())
