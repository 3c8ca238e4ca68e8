"""What every store promises; each implementation passes the same tests."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import anyio
import anyio.to_thread
import apsw
import pytest

from orchestrator.errors import Conflict, Fenced, NotFound, StoreError
from orchestrator.events import DurableEvent, StepFinished, ToolFinished, ToolStarted, TurnFinished, TurnStarted
from orchestrator.messages import Message, Result, Text, Usage, failed
from orchestrator.ports import Store
from orchestrator.store.memory import MemoryStore
from orchestrator.store.sqlite import SqliteStore
from orchestrator.store.writer import Writer
from tests.orchestrator.playing import begun

pytestmark = pytest.mark.anyio

HELLO = TurnStarted(content=(Text(text="hello there"),))
DONE = TurnFinished(reason="done")


def answered(text: str, step: int) -> DurableEvent:
    message = Message(role="assistant", content=(Text(text=text),))
    return StepFinished(step=step, message=message, stop="done", usage=Usage(), model="m")


def started(number: int) -> DurableEvent:
    return ToolStarted(call_id=f"call {number}", tool="notes__write", why="the test")


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Store]:
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "deep" / "journal.db")
    yield made
    await made.close()


async def test_what_is_appended_comes_back_equal_and_numbered(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", HELLO)
    events = [started(1), ToolFinished(call_id="call 1", result=failed("call 1", "no\0 \u2028 é 𝄞"), seconds=0.25)]
    recorded = await store.append(turn, events)
    assert [one.seq for one in recorded] == [2, 3]
    back = await store.events("c")
    assert [one.event for one in back] == [HELLO, *events]
    assert back[1:] == recorded
    assert await store.events("c", after=2) == recorded[1:]


async def test_a_history_is_its_owners_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "deep" / "journal.db")
    await store.create("c")
    modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "deep").iterdir()}
    await store.close()
    assert {"journal.db", "journal.db-wal"} <= set(modes)
    assert not any(modes.values()), modes


async def test_concurrent_appends_leave_no_gap(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", HELLO)
    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(store.append, turn, [started(number)])
    events = await store.events("c")
    assert [one.seq for one in events] == list(range(1, 102))
    assert len({one.event.key for one in events}) == 101


async def test_the_same_event_is_recorded_once(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", HELLO)
    assert len(await store.append(turn, [started(1)])) == 1
    assert await store.append(turn, [started(1)]) == []
    assert len(await store.events("c")) == 2


async def test_who_lost_the_turn_is_fenced_and_writes_nothing(store: Store) -> None:
    await store.create("c")
    mine = await begun(store, "c", "t", HELLO)
    theirs = await store.claim("c", "t", "they")
    with pytest.raises(Fenced):
        await store.append(mine, [started(1)])
    await store.append(theirs, [started(2)])
    assert [one.event for one in await store.events("c")] == [HELLO, started(2)]
    assert (await store.head("c")).owner == "they"


async def test_a_conversation_has_one_open_turn_at_most(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t1", HELLO)
    with pytest.raises(Conflict):
        await store.begin("c", "t2", "me", HELLO)
    await store.append(turn, [DONE])
    await store.begin("c", "t2", "me", HELLO)
    assert (await store.head("c")).turns == 2


async def test_a_finished_turn_takes_nothing_more(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", HELLO)
    await store.append(turn, [DONE])
    assert (await store.head("c")).open_turn == ""
    with pytest.raises(Fenced):
        await store.append(turn, [started(1)])
    with pytest.raises(Conflict):
        await store.claim("c", "t", "me")


async def test_conversations_are_listed_last_touched_first_by_their_first_words(store: Store) -> None:
    for name in ("a", "b", "c"):
        await store.create(name)
    await store.begin("a", "t", "me", HELLO)
    heads = await store.heads()
    assert heads[0].id == "a"
    assert (heads[0].title, heads[0].open_turn, heads[0].turns) == ("hello there", "t", 1)
    assert len(await store.heads(limit=2)) == 2


async def test_what_does_not_exist_is_named(store: Store) -> None:
    await store.create("c")
    with pytest.raises(Conflict):
        await store.create("c")
    for nothing in (store.head("no"), store.events("no"), store.begin("no", "t", "me", HELLO)):
        with pytest.raises(NotFound, match="'no'"):
            await nothing
    assert await store.events("c") == []


async def test_one_bad_append_takes_no_other_with_it(store: Store) -> None:
    await store.create("c")
    lost = await begun(store, "c", "t", HELLO)
    turn = await store.claim("c", "t", "me")
    refused = 0

    async def fenced() -> None:
        nonlocal refused
        with pytest.raises(Fenced):
            await store.append(lost, [started(0)])
        refused += 1

    async with anyio.create_task_group() as tasks:
        for number in range(1, 40):
            tasks.start_soon(store.append, turn, [started(number)])
            tasks.start_soon(fenced)
    assert refused == 39
    assert len(await store.events("c")) == 40


async def test_what_was_said_is_found_by_the_beginnings_of_its_words_newest_first(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", TurnStarted(content=(Text(text="Brew some assam tea, please"),)))
    result = Result(call_id="a", content=(Text(text="the assam costs 4"),))
    await store.append(turn, [answered("Assam is brewing.", 1), ToolFinished(call_id="a", result=result)])
    assert [(hit.seq, hit.kind) for hit in await store.search("assam")] == [(2, "assistant"), (1, "user")]
    assert [(hit.seq, hit.kind) for hit in await store.search("ASS tea")] == [(1, "user")]
    assert [(hit.seq, hit.kind) for hit in await store.search("assam", results=True)] == [(3, "tool")]
    assert len(await store.search("assam", limit=1)) == 1
    for nothing in ("", '"*', "assam AND coffee", "sam", 'x" OR "assam'):
        assert await store.search(nothing) == []
    assert (await store.search("brew"))[1].title == "Brew some assam tea, please"


async def test_a_fork_has_the_same_past_and_a_future_of_its_own(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t1", HELLO)
    await store.append(turn, [answered("one", 1), DONE])
    turn = await begun(store, "c", "t2", HELLO)
    await store.append(turn, [answered("two", 1)])
    await store.fork("c", "whole", upto=3)
    await store.fork("c", "cut", upto=4)
    assert [one.event for one in await store.events("whole")] == [HELLO, answered("one", 1), DONE]
    assert (await store.head("whole")).parent == "c"
    assert (await store.head("whole")).open_turn == ""
    cut = await store.head("cut")
    assert (cut.open_turn != "", cut.turns) == (True, 2)
    ref = await store.claim("cut", cut.open_turn, "me")
    await store.append(ref, [answered("another two", 1), DONE])
    assert [one.seq for one in await store.events("cut")] == [1, 2, 3, 4, 5, 6]
    assert len(await store.events("c")) == 5, "the original is as it was"
    with pytest.raises(Conflict):
        await store.fork("c", "cut", upto=1)
    with pytest.raises(NotFound):
        await store.fork("no", "new", upto=1)


async def test_what_is_deleted_is_gone_and_found_no_more(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", HELLO)
    with pytest.raises(Conflict):
        await store.delete("c")
    await store.append(turn, [answered("farewell", 1), DONE])
    await store.delete("c")
    with pytest.raises(NotFound):
        await store.events("c")
    with pytest.raises(NotFound):
        await store.delete("c")
    assert await store.search("farewell") == []


async def test_a_very_large_result_comes_back_whole_and_a_fork_shares_it(store: Store) -> None:
    await store.create("c")
    turn = await begun(store, "c", "t", HELLO)
    large = ToolFinished(call_id="a", result=Result(call_id="a", content=(Text(text="é" * 1_000_000),)))
    await store.append(turn, [large, DONE])
    await store.fork("c", "f", upto=3)
    await store.delete("c")
    assert [one.event for one in await store.events("f")] == [HELLO, large, DONE]


async def test_a_sentence_without_spaces_is_found_by_any_part_of_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "journal.db")
    await store.create("c")
    await store.begin("c", "t", "me", TurnStarted(content=(Text(text="東京の天気はどうですか。Café も"),)))
    assert (await store.search("天気"))[0].snippet == "東京の«天気»はどうですか。Café も"
    assert len(await store.search("cafe 東京")) == 1
    assert await store.search("京天") == []
    await store.close()


async def test_two_windows_on_one_file_see_each_others_events(tmp_path: Path) -> None:
    one, two = SqliteStore(tmp_path / "journal.db"), SqliteStore(tmp_path / "journal.db")
    try:
        for store, name in ((one, "a"), (two, "b")):
            await store.create(name)
        turns = [await begun(one, "a", "ta"), await begun(two, "b", "tb")]
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(one.append, turns[0], [started(number)])
                tasks.start_soon(two.append, turns[1], [started(number)])
        for store in (one, two):
            for name in ("a", "b"):
                assert [event.seq for event in await store.events(name)] == list(range(1, 52))
    finally:
        await one.close()
        await two.close()


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    await SqliteStore(path).close()
    with apsw.Connection(str(path)) as database:
        database.execute("insert into schema_version values (9999)")
    with pytest.raises(StoreError, match="newer version"):
        SqliteStore(path)


async def test_a_damaged_database_is_said_to_be_damaged_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database" * 1000)
    with pytest.raises(StoreError, match=r"damaged .*salvage FILE"):
        SqliteStore(path)


@pytest.mark.parametrize(
    "damage",
    [
        'update events set body = \'{"type": "text_delt\' where seq = 1',
        "update events set body = cast(x'7bff7d' as text) where seq = 1",
        "update events set at = 1e300",
        "update conversations set updated = 1e300",
        "update conversations set title = cast(x'ff' as text)",
        "drop table schema_version",
        "drop table events",
    ],
)
async def test_a_row_that_holds_what_nobody_wrote_is_an_error_with_a_way_out(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "journal.db"
    store = SqliteStore(path)
    await store.create("c")
    await store.append(await begun(store, "c", "t"), [DONE])
    await store.close()
    with apsw.Connection(str(path)) as database:
        database.execute(damage)
    with pytest.raises(StoreError, match=r"damaged .*salvage FILE"):
        await looked_through(path)


async def looked_through(path: Path) -> None:
    store = SqliteStore(path)
    try:
        await store.heads()
        await store.events("c")
    finally:
        await store.close()


OPEN = """
import sys, anyio
from pathlib import Path
from orchestrator.store.sqlite import SqliteStore

async def main():
    sys.stdin.read(1)
    for number in range(5):
        store = SqliteStore(Path(f"{sys.argv[1]}{number}.db"))
        await store.create(sys.argv[2])
        await store.close()

anyio.run(main)
"""


def test_windows_that_open_a_new_file_at_the_same_moment_all_get_it(tmp_path: Path) -> None:
    line = [sys.executable, "-c", OPEN, str(tmp_path / "new")]
    windows = [
        subprocess.Popen([*line, f"c{number}"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) for number in range(4)
    ]
    for window in windows:
        assert window.stdin is not None
        window.stdin.write(b"x")
        window.stdin.flush()
    said = [window.communicate(timeout=60)[1].decode() for window in windows]
    assert said == [""] * 4


async def test_what_a_failing_disk_made_undone_is_told_to_all_who_wrote_it(tmp_path: Path) -> None:
    path = str(tmp_path / "one.db")
    database = apsw.Connection(path)
    database.execute("create table things (name text)")
    writer = Writer(database)
    entered, go_on = threading.Event(), threading.Event()

    def first(db: apsw.Connection) -> None:
        entered.set()
        go_on.wait(20)

    def kept(db: apsw.Connection) -> None:
        db.execute("insert into things values ('a')")

    def undone(db: apsw.Connection) -> None:
        db.execute("rollback")  # as SQLite itself does at some errors
        raise apsw.FullError("database or disk is full")

    outcomes: list[str] = []

    async def run(work: Callable[[apsw.Connection], None]) -> None:
        try:
            await writer.run(work)
        except apsw.Error as error:
            return outcomes.append(type(error).__name__)
        outcomes.append("done")

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, first)
            await anyio.to_thread.run_sync(entered.wait, 20)
            for work in (kept, undone, kept):  # these share one commit
                tasks.start_soon(run, work)
            await anyio.wait_all_tasks_blocked()
            go_on.set()
        assert len(outcomes) == 4
        assert outcomes.count("done") == 1, outcomes
        await run(kept)
    assert outcomes[-1] == "done", "the writer goes on"
    await anyio.to_thread.run_sync(writer.close)
    with apsw.Connection(path) as again:
        assert again.execute("select count(*) from things").get == 1
    again.close()


async def test_a_locked_database_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = SqliteStore(path, patience_ms=50)
    other = apsw.Connection(str(path))
    try:
        other.execute("begin immediate")
        with pytest.raises(StoreError, match=r"journal\.db is locked"):
            await store.create("c")
        other.execute("rollback")
        await store.create("c")
    finally:
        other.close()
        await store.close()
