"""Where a turn must end: the exit code and the words say which limit it was."""

from __future__ import annotations

import json

from tests.journeys.stage import Desk, calls, program


def test_a_turn_that_reaches_its_limit_of_steps_says_so_and_exits_with_7(desk: Desk) -> None:
    servers = {"workshop": program("workshop", str(desk.home))}
    config = desk.configure(servers, limits={"start_seconds": 30, "max_steps": 1}, policy={"allow": ["workshop__*"]})
    done = desk.run("--config", config, "ask", calls(("workshop__note", {"name": "x"})))
    assert done.code == 7, done
    assert "max_steps" in done.err
    assert (desk.home / "trace").read_text() == "x\n", "what was begun was finished"


def test_a_turn_that_reaches_its_limit_of_tokens_exits_with_6(desk: Desk) -> None:
    servers = {"workshop": program("workshop", str(desk.home))}
    config = desk.configure(servers, limits={"start_seconds": 30, "max_tokens": 10}, policy={"allow": ["workshop__*"]})
    done = desk.run("--config", config, "ask", "--json", calls(("workshop__note", {"name": "x"})))
    assert done.code == 6, done
    assert json.loads(done.out)["simulated"] is True
