"""kill -9 at every boundary of the journal and at random moments of a six-step turn: real processes, a real server.

    python benchmarks/crash.py [RANDOM_KILLS]     200 by default; some minutes

After each kill the host is started again and finishes the turn; then the journal and the trace that the calls left on
disk are judged. The exit code is 1 if any promise was broken.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from tests.journeys.crashing import APPENDS, finished, killed_after, killed_at, verdict  # noqa: E402 - after the path

LONGEST = 1.8
"""Seconds within which the random kills fall; the whole takes about one and a half."""


def main() -> int:
    """Kill, resume, judge; print what was broken and a summary."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    chance = random.Random(1)
    broken = boundaries = hits = 0
    for count in range(1, APPENDS):
        for when in ("before", "after"):
            boundaries += 1
            with tempfile.TemporaryDirectory() as place:
                killed_at(Path(place), when, count)
                finished(Path(place))
                broken += told(f"{when} append {count}", verdict(Path(place), 1))
    for number in range(kills):
        seconds = chance.uniform(0.3, LONGEST)
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            times = 0
            while killed_after(folder, seconds) and times < 3:
                times += 1
                seconds = chance.uniform(0.3, LONGEST)
            hits += times
            finished(folder)
            broken += told(f"random kill {number}", verdict(folder, times))
    print(f"{boundaries} boundaries, {hits} random kills in {kills} turns: {broken} promises broken")
    return 1 if broken else 0


def told(name: str, broken: list[str]) -> int:
    """Print what was broken and return how much."""
    for what in broken:
        print(f"BROKEN {name}: {what}")
    return len(broken)


if __name__ == "__main__":
    raise SystemExit(main())
