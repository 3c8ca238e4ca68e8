"""Our servers side by side with the reference servers and with the bare SDK, in one run.

`python benchmarks/servers.py [name of a case module or part of a case's name ...]`; the exit code is 1 if a budget does
not hold. Times are milliseconds per call (median of all turns); what cannot be installed here is said in the table.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
sys.path[0] = str(HOUSE)  # not this folder: here `servers` is this file

from benchmarks.measuring import Case, Measured, measure  # noqa: E402 - after the path is right

MODULES = ("suite", "files", "database", "fetch")


def main(wanted: Sequence[str]) -> int:
    """Run the wanted cases (all without names), print the table, and return the exit code."""
    broken: list[str] = []
    print("| case | side | p50 ms | p95 ms | x ours | bytes | budget |")
    print("|---|---|---:|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        for module, case in collect(Path(place), wanted):
            result = measure(case)
            holds = verdict(case, result)
            if not holds.startswith(("held", "-")):
                broken.append(f"{module}: {case.name}: {holds}")
            for line in rows(f"{module}: {case.name}", result, holds):
                print(line, flush=True)
    for each in broken:
        print(f"BROKEN {each}")
    return 1 if broken else 0


def collect(place: Path, wanted: Sequence[str]) -> Iterator[tuple[str, Case]]:
    """Every wanted case with the name of its module."""
    for module in MODULES:
        path = HOUSE / "benchmarks" / "cases" / f"{module}.py"
        if not path.exists():
            if not wanted or module in wanted:
                print(f"| {module} | no case module | | | | | |")
            continue
        room = place / module
        room.mkdir()
        for case in importlib.import_module(f"benchmarks.cases.{module}").cases(room):
            if not wanted or module in wanted or any(word in case.name for word in wanted):
                yield module, case


def verdict(case: Case, result: dict[str, Measured | str]) -> str:
    """Say whether the budget held, in the words of the table."""
    first = result[case.sides[0].name]
    budget = case.budget
    if budget is None:
        return "-"
    if isinstance(first, str):
        return f"not measured: {first}"
    other = result.get(budget.to)
    if budget.to and not isinstance(other, Measured):
        return f"- ({budget.to} cannot run here)"
    most = budget.plus_ms + (budget.ratio * other.p50 if isinstance(other, Measured) else 0.0)
    promise = f"<= {most:.2f} ms"
    if budget.to:
        promise = f"<= {budget.ratio:g} x {budget.to}" + (f" + {budget.plus_ms:g} ms" if budget.plus_ms else "")
    return f"held: {promise}" if first.p50 <= most else f"NOT held: {first.p50:.2f} ms, promised {promise}"


def rows(name: str, result: dict[str, Measured | str], holds: str) -> Iterator[str]:
    """The table's rows of one case: ours first, the others with their ratio to ours."""
    base = next(iter(result.values()))
    for number, (side, measured) in enumerate(result.items()):
        title, promise = (name, holds) if number == 0 else ("", "")
        if isinstance(measured, str):
            yield f"| {title} | {side} | {measured} | | | | {promise} |"
            continue
        ratio = f"{measured.p50 / base.p50:.2f}" if isinstance(base, Measured) else ""
        size = f"{measured.size:,}" if measured.size else ""
        yield f"| {title} | {side} | {measured.p50:.2f} | {measured.p95:.2f} | {ratio} | {size} | {promise} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
