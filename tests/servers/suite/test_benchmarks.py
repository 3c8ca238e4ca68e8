"""The benchmarks' own promises: sides take turns, what is missing is said, and a broken budget is an exit code."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Generator
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.foreign import Missing
from benchmarks.measuring import Budget, Case, Measured, Operation, Side, floor, measure, plain_side, tool_side
from tests.servers.suite.running import HOUSE


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    """`benchmarks/servers.py`, which is a script."""
    spec = importlib.util.spec_from_file_location("benchmark_of_servers", HOUSE / "benchmarks" / "servers.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def absent() -> Generator[Operation]:
    raise Missing("the other one cannot be installed here")
    yield


def test_sides_take_turns_and_what_is_missing_is_said() -> None:
    order: list[str] = []

    def note(name: str) -> Operation:
        return lambda: order.append(name) or 7

    case = Case(
        "x", [plain_side("ours", note("a")), plain_side("floor", note("b")), Side("other", absent)], calls=2, rounds=2
    )
    result = measure(case)
    assert "".join(order[-8:]) == "aabbaabb"
    assert list(result) == ["ours", "floor", "other"]
    assert isinstance(result["ours"], Measured)
    assert result["ours"].size == 7
    assert result["other"] == "the other one cannot be installed here"


def test_a_tool_of_a_real_server_is_measured(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x" * 100)
    side = tool_side("floor", floor(), "read", {"path": str(tmp_path / "a")})
    [measured] = measure(Case("read", [side], calls=2, rounds=1)).values()
    assert isinstance(measured, Measured)
    assert measured.size > 100
    broken = tool_side("floor", floor(), "read", {"path": "/nowhere"})
    with pytest.raises(RuntimeError, match="read failed"):
        measure(Case("read", [broken], calls=1, rounds=1))


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (None, "-"),
        (Budget(plus_ms=2), "held: <= 2.00 ms"),
        (Budget(plus_ms=0.5), "NOT held: 1.00 ms, promised <= 0.50 ms"),
        (Budget(ratio=0.6, to="floor"), "held: <= 0.6 x floor"),
        (Budget(ratio=0.4, to="floor"), "NOT held: 1.00 ms, promised <= 0.4 x floor"),
        (Budget(ratio=0.4, to="floor", plus_ms=1), "held: <= 0.4 x floor + 1 ms"),
        (Budget(ratio=1, to="other"), "- (other cannot run here)"),
    ],
)
def test_a_budget_is_judged_against_what_was_measured(runner: ModuleType, budget: Budget | None, words: str) -> None:
    case = Case("x", [Side("ours", absent)], budget)
    result = {"ours": Measured(1.0, 1.2, 0), "floor": Measured(2.0, 2.1, 0), "other": "not installed"}
    assert runner.verdict(case, result) == words
