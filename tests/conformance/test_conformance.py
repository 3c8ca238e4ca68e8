"""The official conformance suite against servers that `servers.serving` runs over HTTP.

In full, against a server with every fixture the suite looks for; and as a product is, against our own servers, where
the scenarios that need no fixture must hold. Both revisions of the protocol each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.foreign import Missing, npm_program
from tests.servers.suite.running import HOUSE, served

REVISIONS = ("2025-11-25", "2026-07-28")
EVERYTHING = (sys.executable, str(Path(__file__).with_name("everything.py")))

# Scenarios that ask nothing of a server but to be one. The others need tools, prompts and resources made for the suite.
ANY_SERVER = {
    "2025-11-25": {
        "server-initialize",
        "server-session-lifecycle",
        "server-sse-multiple-streams",
        "ping",
        "tools-list",
        "resources-list",
        "prompts-list",
        "dns-rebinding-protection",
    },
    "2026-07-28": {
        "server-stateless",
        "server-sse-multiple-streams",
        "tools-list",
        "resources-list",
        "prompts-list",
        "sep-2164-resource-not-found",
        "caching",
        "dns-rebinding-protection",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
    },
}
# The tasks extension is optional and not offered; the SDK (2.3) does not have it.
NOT_OFFERED = "tasks-"


@dataclass(frozen=True)
class Report:
    """What one run of the suite found."""

    code: int
    output: str
    scenarios: dict[str, list[dict[str, Any]]]
    """The checks of each scenario."""

    def failures(self, scenario: str) -> list[str]:
        """The checks that failed; one that could not be made for want of a fixture did not."""
        return [
            f"{check['id']}: {check.get('errorMessage')}"
            for check in self.scenarios[scenario]
            if check["status"] == "FAILURE" and not (check.get("details") or {}).get("untestable")
        ]


@pytest.fixture(scope="session")
def suite() -> list[str]:
    """The command of the conformance suite."""
    try:
        return npm_program("conformance", "dist/index.js")
    except Missing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


def conform(suite: Sequence[str], url: str, revision: str, results: Path) -> Report:
    """Run everything that `revision` requires, and what it reports beside that."""
    command = [*suite, "server", "--url", url, "--requirements", revision, "--output-dir", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=results)
    scenarios: dict[str, list[dict[str, Any]]] = {}
    for checks in results.glob("server-*/checks.json"):
        folder = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z", checks.parent.name)
        assert folder, checks.parent.name
        scenarios[folder[1]] = json.loads(checks.read_text(encoding="utf-8"))
    return Report(done.returncode, done.stdout + done.stderr, scenarios)


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_server_with_every_fixture_conforms_in_full(suite: list[str], tmp_path: Path, revision: str) -> None:
    with served([*EVERYTHING, "--http", "127.0.0.1:0"]) as server:
        report = conform(suite, server.url(), revision, tmp_path)
    assert report.code == 0, report.output[-5_000:]
    failed = {name: report.failures(name) for name in report.scenarios if not name.startswith(NOT_OFFERED)}
    assert {name: problems for name, problems in failed.items() if problems} == {}
    assert len(report.scenarios) > 30, "the whole suite ran"


def products(notes: Path) -> dict[str, list[str]]:
    (notes / "a.txt").write_text("text\n", encoding="utf-8")
    with contextlib.closing(sqlite3.connect(notes / "a.db")) as database:
        database.execute("CREATE TABLE note (text)")
    return {
        "files": [sys.executable, "-m", "servers.files", str(notes)],
        "database": [sys.executable, "-m", "servers.database", str(notes / "a.db")],
        "fetch": [sys.executable, "-m", "servers.fetch"],
    }


@pytest.mark.parametrize("revision", REVISIONS)
@pytest.mark.parametrize("name", ["files", "database", "fetch"])
def test_our_servers_conform_as_they_are(suite: list[str], tmp_path: Path, name: str, revision: str) -> None:
    if not (HOUSE / "servers" / name / "server.py").exists():
        pytest.skip(f"servers/{name}/server.py is missing")
    (tmp_path / "served").mkdir()
    (tmp_path / "results").mkdir()
    with served([*products(tmp_path / "served")[name], "--http", "127.0.0.1:0"]) as server:
        report = conform(suite, server.url(), revision, tmp_path / "results")
    assert ANY_SERVER[revision] <= set(report.scenarios), report.output[-5_000:]
    failed = {scenario: report.failures(scenario) for scenario in ANY_SERVER[revision]}
    assert {scenario: problems for scenario, problems in failed.items() if problems} == {}
    assert all(report.scenarios[scenario] for scenario in ANY_SERVER[revision])
