"""kill -9 at the worst moment: a call has started, and its result has not come."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.journeys.stage import Desk, calls, of_type, processes_with, program, recorded
from tests.journeys.waiting import until


def test_after_a_kill_the_turn_is_finished_and_no_finished_call_is_made_again(desk: Desk) -> None:
    config = desk.configure({"workshop": program("workshop", str(desk.home))}, limits={"start_seconds": 30})
    text = calls(("workshop__note", {"name": "first"}), ("workshop__hang", {"name": "second"}))
    command = [sys.executable, "-m", "orchestrator", "--config", config, "ask", "--yes", "--stream-json", text]
    out = desk.home / "out"
    with out.open("w") as sink:
        host = subprocess.Popen(command, cwd=desk.folder, env=desk.environment(), stdout=sink, stderr=sink)
        try:
            trace = desk.home / "trace"
            until(lambda: trace.exists() and len(trace.read_text().split()) == 2, out.read_text())
            until(lambda: '"tool_finished"' in out.read_text(), "the first call's result")
        finally:
            host.send_signal(signal.SIGKILL)
            host.wait(20)
    until(lambda: not processes_with(str(PROGRAM)), "the end of the server of the killed host", 10)

    done = desk.run("--config", config, "ask", "--resume", "last", "--yes", "--stream-json")
    assert done.code == 0, done
    results = of_type(recorded(done), "tool_finished")
    unknown = [event for event in results if "outcome unknown" in str(event)]
    assert len(unknown) == 1, done
    assert (desk.home / "trace").read_text().split().count("first") == 1, "the finished call was not repeated"
    assert (desk.home / "trace").read_text().split().count("second") == 1, "nor the one of unknown outcome"
    assert "outcome unknown" in desk.run("conversations", "show", "last").out
    assert of_type(recorded(done), "turn_finished")[-1]["reason"] == "done"


PROGRAM = Path(__file__).parent / "programs" / "workshop.py"
