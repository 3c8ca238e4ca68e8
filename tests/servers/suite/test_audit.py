"""The audit line and the log, as they come out of a real process."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from servers.logs import Lines
from tests.servers.suite.running import PATIENCE, served
from tests.servers.suite.test_stdio import Raw, sample


def calls(notes: Path, *more: str, tools: list[tuple[str, dict[str, Any]]]) -> tuple[list[dict[str, Any]], list[str]]:
    """Call tools, and return the audit lines and all other lines."""
    with served(sample(notes, *more)) as server:
        raw = Raw(server)
        for number, (name, arguments) in enumerate(tools, 1):
            raw.ask(number, "tools/call", {"name": name, "arguments": arguments})
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(PATIENCE) == 0
        server.stop()
        audits = [json.loads(line) for line in server.lines if line.startswith('{"audit"')]
        return audits, [line for line in server.lines if not line.startswith('{"audit"')]


def test_every_call_leaves_one_line_without_its_contents(tmp_path: Path) -> None:
    canary = "canary-4711"
    audits, _ = calls(
        tmp_path,
        tools=[
            ("echo", {"text": canary}),
            ("echo", {"text": canary}),
            ("count", {"to": 50}),
            ("fail", {"how": "refusal"}),
            ("fail", {"how": "bug"}),
            ("echo", {"txt": canary}),
            ("nope\n\x1b[2J" + "x" * 999, {}),
        ],
    )
    decisions = [line["decision"] for line in audits]
    assert decisions == ["ok", "ok", "ok", "not_found", "internal", "invalid", "invalid"]
    assert [line["request"] for line in audits] == [1, 2, 3, 4, 5, 6, 7]
    assert audits[0]["arguments"] == audits[1]["arguments"] != audits[2]["arguments"]
    assert (audits[0]["bytes"], audits[0]["truncated"], audits[2]["truncated"]) == (len(canary), None, "rows")
    assert {(line["server"], line["principal"], line["method"]) for line in audits} == {
        ("sample", "local", "tools/call")
    }
    assert all(line["ms"] >= 0 and line["time"].endswith("+00:00") for line in audits)
    assert canary not in json.dumps(audits)
    assert len(audits[-1]["tool"]) <= 300


def test_the_contents_are_written_only_when_asked(tmp_path: Path) -> None:
    audits, _ = calls(tmp_path, "--audit-full", tools=[("echo", {"text": "canary"})])
    assert json.loads(audits[0]["contents"]) == {"text": "canary"}


def test_nobody_can_forge_a_line(tmp_path: Path) -> None:
    forged = 'a\nFAKE 200 OK\x1b[2J\n{"audit": "forged"}'
    audits, others = calls(tmp_path, "--audit-full", "--log-level", "debug", tools=[(forged, {forged: forged})])
    assert [line["audit"] for line in audits] == ["call"]
    assert not [line for line in others if line.startswith(("FAKE", "\x1b")) or "\x1b" in line]


def test_lines_nobody_reads_are_counted_and_take_no_memory() -> None:
    read, write = os.pipe()
    with open(read, encoding="utf-8") as reader, open(write, "w", encoding="utf-8") as writer:
        lines = Lines(writer, most_waiting=10_000)
        for _ in range(3_000):
            lines.write("x" * 100)  # 300 KB: a pipe holds 64 KB, and 10 KB may wait
        written: list[str] = []
        while not any("lost" in line for line in written):
            written.append(reader.readline())
        lines.write("last")
        while written[-1] != "last\n":
            written.append(reader.readline())
        lines.close()
    lost = sum(json.loads(line)["lines"] for line in written if line.startswith("{"))
    assert lost + sum(line.startswith("x") for line in written) == 3_000
    assert lost > 1_000


def test_the_log_can_be_json(tmp_path: Path) -> None:
    _, others = calls(tmp_path, "--log-format", "json", tools=[("fail", {"how": "bug"})])
    records = [json.loads(line) for line in others]
    [crash] = [record for record in records if "exception" in record]
    assert crash["level"] == "error"
    assert "RuntimeError: secret" in crash["exception"]
