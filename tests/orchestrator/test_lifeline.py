from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.conversations import Conversations
from orchestrator.engine.lifeline import Lifeline
from orchestrator.errors import Conflict
from orchestrator.events import TurnStarted
from orchestrator.feed.local import LocalFeed
from orchestrator.messages import Text
from orchestrator.store.memory import MemoryStore

OTHER = """
import sys; from pathlib import Path; from orchestrator.engine.lifeline import Lifeline
print(Lifeline(Path(sys.argv[1])).owner, flush=True); sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_is_alive_until_it_dies_however_it_dies(tmp_path: Path, end: signal.Signals) -> None:
    mine = Lifeline(tmp_path)
    line = [sys.executable, "-c", OTHER, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        owner = other.stdout.readline().strip()
        assert mine.alive(owner)
        other.send_signal(signal.SIGSTOP)
        assert mine.alive(owner), "stopped is not dead"
        other.send_signal(signal.SIGCONT)
        other.send_signal(end)
        other.wait(20)
    assert not mine.alive(owner)
    mine.close()


def test_a_name_that_nobody_bears_is_not_alive_and_one_that_closed_is_not_either(tmp_path: Path) -> None:
    one, two = Lifeline(tmp_path), Lifeline(tmp_path)
    assert one.alive(one.owner)
    assert one.alive(two.owner)
    two.close()
    assert not one.alive(two.owner)
    assert not one.alive("../../etc/passwd")
    one.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_a_turn_that_lives_in_another_window_is_not_touched() -> None:
    store = MemoryStore()
    await store.create("c")
    await store.begin("c", "t", "4711-abc", TurnStarted(content=(Text(text="hello"),)))

    def never(_: object) -> object:
        raise AssertionError("no turn is run here")

    here = Conversations(store, LocalFeed(), never, "me", alive=lambda owner: owner == "4711-abc")  # type: ignore[arg-type]
    for act in (here.resume("c"), here.cancel("c"), here.decide("c", "a", True)):
        with pytest.raises(Conflict, match="another window \\(process 4711\\)"):
            await act
    assert (await store.head("c")).owner == "4711-abc"
