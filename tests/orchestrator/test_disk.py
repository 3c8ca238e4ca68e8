"""A disk that takes no more, a file that cannot be written, a clock that jumps: said clearly, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anyio
import apsw
import pytest

from orchestrator.errors import StoreError
from orchestrator.events import ToolFinished, TurnFinished
from orchestrator.messages import Result, Text
from orchestrator.models.scripted import asks, says
from orchestrator.store.sqlite import SqliteStore
from tests.orchestrator.playing import begun, call
from tests.orchestrator.test_conversations import HELLO, house

pytestmark = pytest.mark.anyio

UNTIL_FULL = """
import resource, signal, sys
from pathlib import Path
import anyio
from orchestrator.errors import StoreError
from orchestrator.events import ToolFinished
from orchestrator.messages import Result, Text
from orchestrator.store.sqlite import SqliteStore
from tests.orchestrator.playing import begun

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.create("c")
    turn = await begun(store, "c", "t")
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
    kept = 1
    try:
        while True:
            result = Result(call_id=str(kept), content=(Text(text="x" * 50_000),))
            kept += len(await store.append(turn, [ToolFinished(call_id=str(kept), result=result)]))
    except StoreError as error:
        print(kept, error)

anyio.run(main)
"""


async def test_a_full_disk_is_named_and_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    done = await anyio.run_process([sys.executable, "-c", UNTIL_FULL, str(path)], check=False, stderr=subprocess.STDOUT)
    said = done.stdout.decode()
    assert "did not take the history" in said, said
    assert "Make room" in said
    store = SqliteStore(path)
    events = await store.events("c")
    turn = await store.claim("c", "t", "me")
    await store.append(turn, [TurnFinished(reason="done")])
    await store.close()
    assert len(events) == int(said.split()[0]), "neither more nor less than was acknowledged"


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(StoreError, match=r"journal\.db cannot be written"):
        SqliteStore(tmp_path / "journal.db")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        SqliteStore(tmp_path / "file" / "journal.db")


async def test_a_turn_whose_journal_is_locked_ends_for_its_watchers_and_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = SqliteStore(path, patience_ms=50)
    other = apsw.Connection(str(path))
    locked = anyio.Event()

    async def lock(arguments: object, desk: object) -> str:
        other.execute("begin immediate")
        locked.set()
        return "done"

    async with house(asks([call("a", "notes__read")]), says("Ok."), work=lock, store=store) as one:
        started = await one.conversations.start_turn(HELLO)
        last = (await one.ended(started))[-1]
        assert isinstance(last, TurnFinished)
        assert (last.reason, last.code) == ("failed", "store")
        assert "locked by another process" in last.detail
        other.execute("rollback")
        other.close()

    async def fine(arguments: object, desk: object) -> str:
        return "done"

    async with house(says("Ok."), work=fine, store=store) as again:
        resumed = await again.conversations.resume(started.conversation_id)
        assert resumed is not None
        events = await again.ended(resumed)
    await store.close()
    assert events[-1] == TurnFinished(reason="done")
    assert len([event for event in events if isinstance(event, ToolFinished)]) == 1


async def test_a_clock_that_jumps_back_changes_no_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = SqliteStore(path)
    await store.create("c")
    turn = await begun(store, "c", "t")
    await store.close()
    with apsw.Connection(str(path)) as database:  # as if everything so far had happened in the future
        database.execute("update events set at = at + 1e6")
        database.execute("update conversations set updated = updated + 1e6")
    store = SqliteStore(path)
    result = Result(call_id="a", content=(Text(text="x"),))
    await store.append(turn, [ToolFinished(call_id="a", result=result), TurnFinished(reason="done")])
    assert [one.seq for one in await store.events("c")] == [1, 2, 3]
    assert [type(one.event).__name__ for one in await store.events("c")][-1] == "TurnFinished"
    await store.close()
