"""A sample of the crash matrix; `benchmarks/crash.py` is the whole of it."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import apsw
import pytest

from tests.journeys.crashing import APPENDS, finished, host, killed_after, killed_at, verdict
from tests.journeys.waiting import until

STEP = range(8, 15)
"""The appends of the second step: its answer, three starts, three results; all steps are alike."""


@pytest.mark.parametrize("count", [1, *STEP, APPENDS - 2, APPENDS - 1])
def test_killed_before_any_append_of_a_step_the_turn_is_finished_and_nothing_happens_twice(
    tmp_path: Path, count: int
) -> None:
    killed_at(tmp_path, "before", count)
    finished(tmp_path)
    assert verdict(tmp_path, kills=1) == []


def test_killed_again_and_again_at_random_moments_the_turn_is_finished_and_nothing_happens_twice(
    tmp_path: Path,
) -> None:
    chance = random.Random()
    kills = 0
    while kills < 6 and killed_after(tmp_path, chance.uniform(0.5, 2.0)):
        kills += 1
    finished(tmp_path)
    assert verdict(tmp_path, kills) == []


def test_a_frozen_window_that_wakes_after_another_took_over_is_fenced_and_says_so(tmp_path: Path) -> None:
    frozen = host(tmp_path, "hang", "0")
    try:
        until(lambda: recorded(tmp_path, "finished") == 3, "the results of the first step")
        until(lambda: len((tmp_path / "asked").read_text().split()) == 2, "the second question")
        frozen.send_signal(signal.SIGSTOP)
        refused = host(tmp_path)
        assert refused.wait(60) != 0, "a window that is alive, if only frozen, is not touched"
        assert "another window" in (tmp_path / "log").read_text()
        assert host(tmp_path, "takeover", "0").wait(60) == 0
        (tmp_path / "go").touch()
        frozen.send_signal(signal.SIGCONT)
        frozen.wait(60)
    finally:
        frozen.kill()
        frozen.wait()
    said = (tmp_path / "log").read_text()
    assert "ended: done" in said, said
    assert "ended: failed fenced" in said, said
    assert verdict(tmp_path, kills=1) == []


def recorded(folder: Path, kind: str) -> int:
    """Return how many events of a kind of key are on disk."""
    if not (folder / "journal.db").exists():
        return 0
    database = apsw.Connection(str(folder / "journal.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(database.execute("select count(*) from events where key like ? || ' %'", (kind,)).get)
    except (apsw.SQLError, apsw.BusyError):  # the tables are only just being made
        return 0
    finally:
        database.close()
