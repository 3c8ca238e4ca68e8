"""What every request cost: as JSONL, and as a table."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict
from dataclasses import asdict, dataclass, field
from pathlib import Path

from simulator.buckets import rfc3339
from simulator.shapes import Json


@dataclass(frozen=True)
class Entry:
    """One request that was answered."""

    at: float
    id: str
    model: str
    input: int
    cache_read: int
    written_5m: int
    written_1h: int
    output: int
    usd: float
    stop_reason: str
    streamed: bool = False
    batch: bool = False


@dataclass
class Sum:
    """The entries of one model, added up."""

    requests: int = 0
    input: int = 0
    cache_read: int = 0
    written: int = 0
    output: int = 0
    usd: float = 0.0


@dataclass
class Ledger:
    """Adds up entries, and writes each to a file if there is one."""

    path: Path | None = None
    sums: OrderedDict[str, Sum] = field(default_factory=OrderedDict[str, Sum])
    refused: Counter[int] = field(default_factory=Counter[int])
    """How many requests got which error status."""

    def add(self, entry: Entry) -> None:
        """Add one entry."""
        one = self.sums.setdefault(entry.model, Sum())
        one.requests += 1
        one.input += entry.input
        one.cache_read += entry.cache_read
        one.written += entry.written_5m + entry.written_1h
        one.output += entry.output
        one.usd += entry.usd
        self._write(asdict(entry) | {"at": rfc3339(entry.at), "usd": round(entry.usd, 8)})

    def refuse(self, at: float, request_id: str, status: int, message: str) -> None:
        """Add one request that cost nothing, as it got an error."""
        self.refused[status] += 1
        self._write({"at": rfc3339(at), "id": request_id, "status": status, "error": message})

    def _write(self, values: Json) -> None:
        if self.path:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(values) + "\n")

    def table(self) -> str:
        """Return the sums as lines of text, then how many requests failed; empty if nothing was asked."""
        failed = ", ".join(f"{many} x {status}" for status, many in sorted(self.refused.items()))
        return "\n".join(filter(None, [self._sums(), failed and f"requests that got an error: {failed}"]))

    def _sums(self) -> str:
        if not self.sums:
            return ""
        head = ("model", "requests", "fresh", "cache read", "cache written", "output", "US$")
        rows = [
            (name, *(f"{n:,}" for n in (s.requests, s.input, s.cache_read, s.written, s.output)), f"{s.usd:.4f}")
            for name, s in self.sums.items()
        ]
        total = sum(one.usd for one in self.sums.values())
        if len(rows) > 1:
            rows.append(("all", "", "", "", "", "", f"{total:.4f}"))
        widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
        lines = [
            "  ".join(
                cell.ljust(width) if n == 0 else cell.rjust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (head, *rows)
        ]
        return "\n".join(lines)
