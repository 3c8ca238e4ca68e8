"""docs/policy.md and docs/history.md: their rules are rules, and their commands are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from orchestrator.cli.asking import keys_row
from orchestrator.cli.granting import SCOPES
from orchestrator.cli.main import main
from orchestrator.cli.ruling import policy_in
from orchestrator.config import Limits
from orchestrator.policy.rules import Rule

DOCS = Path(__file__).parents[3] / "docs"
POLICY, HISTORY = ((DOCS / name).read_text(encoding="utf-8") for name in ("policy.md", "history.md"))
SHOWN = re.findall(r"^\$ orchestrator (.*)$", POLICY + HISTORY, re.MULTILINE)
NAMED = re.findall(r"`orchestrator ([a-z].*?)`", POLICY + HISTORY)
GROUPED = [f"conversations {rest}" for rest in re.findall(r"^\| `conversations (.*?)`", HISTORY, re.MULTILINE)]


def test_the_rules_in_the_page_are_rules(tmp_path: Path) -> None:
    example = re.search(r"<!-- rules:.*?-->\n```json\n(.*?)```", POLICY, re.DOTALL)
    assert example
    file = tmp_path / "rules.json"
    file.write_text(example[1])
    assert [rule.effect for rule in policy_in(file, ()).rules] == ["allow", "allow", "allow", "deny"]


def test_every_key_of_a_rule_and_of_an_approval_and_every_limit_of_a_turn_is_explained() -> None:
    rows = re.findall(r"^\| (`.*?) \|", POLICY, re.MULTILINE)
    explained = {word for row in rows for word in re.findall(r"`([\w-]+)`", row)}
    assert set(Rule.model_fields) <= explained
    assert {name for name in Limits.model_fields if name.startswith("max_")} - explained == {
        "max_parallel_calls",
        "max_result_chars",
    }
    rule = Rule(effect="allow")
    keys = re.findall(r"\[(\w)\]", keys_row(dict.fromkeys("trsN", rule)))
    assert set(keys) <= explained
    assert all(f"[{key}] allow files__fs_write ({scope})  {words}" in POLICY for key, (scope, words) in SCOPES.items())


@pytest.mark.parametrize("line", [*SHOWN, *NAMED, *GROUPED])
def test_every_command_that_a_page_names_has_these_options(line: str) -> None:
    assert main([*shlex.split(line), "--help"]) == 0, line
