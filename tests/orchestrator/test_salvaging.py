"""A history whose file was really damaged: garbage over its pages, a piece cut off, a log that was not merged yet."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import apsw
import pytest

from orchestrator.context.repair import repaired
from orchestrator.conversation import fold
from orchestrator.errors import Conflict, NotFound, StoreError
from orchestrator.events import (
    DurableEvent,
    Recorded,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Call, Message, Result, Text, Usage
from orchestrator.store.pages import Pages
from orchestrator.store.salvaging import Salvaged, salvage
from orchestrator.store.sqlite import SqliteStore
from tests.orchestrator.playing import begun, breaches

pytestmark = pytest.mark.anyio
PAGE = 4096
CONVERSATIONS, TURNS = 12, 5
DONE = TurnFinished(reason="done")


def said(text: str) -> TurnStarted:
    return TurnStarted(content=(Text(text=text),))


def one_turn(number: int, size: int) -> list[DurableEvent]:
    call = Call(id=f"call {number}", tool="notes__read", arguments={"name": "tea"})
    asks = Message(role="assistant", content=(call,))
    answers = Message(role="assistant", content=(Text(text=f"answer {number}"),))
    return [
        StepFinished(step=1, message=asks, stop="calls", usage=Usage(), model="m"),
        ToolStarted(call_id=call.id, tool=call.tool, why="a rule"),
        ToolFinished(call_id=call.id, result=Result(call_id=call.id, content=(Text(text="é" * size),))),
        StepFinished(step=2, message=answers, stop="done", usage=Usage(), model="m"),
        DONE,
    ]


async def written(path: Path, copy: Path | None = None) -> dict[str, list[Recorded]]:
    """Write a history with short, long (overflowing) and very long (kept apart) results, and return it.

    `copy` gets the file and its log as they are before the store is closed, which puts the log into the file.
    """
    store = SqliteStore(path)
    history: dict[str, list[Recorded]] = {}
    for conversation in (f"c_{number}" for number in range(CONVERSATIONS)):
        await store.create(conversation)
        for number in range(TURNS):
            turn_id = f"t_{conversation}_{number}"
            turn = await begun(store, conversation, turn_id, said(f"question {number} of {conversation}"))
            size = 400_000 if (conversation, number) == ("c_3", 1) else 10_000 if number == 2 else 10
            await store.append(turn, one_turn(number, size))
        history[conversation] = await store.events(conversation)
    if copy:
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
    await store.close()
    return history


async def read(path: Path) -> dict[str, list[Recorded]]:
    store = SqliteStore(path)
    try:
        return {head.id: await store.events(head.id) for head in await store.heads()}
    finally:
        await store.close()


def spoil(path: Path, *numbers: int) -> None:
    """Overwrite these pages with garbage."""
    chance = random.Random(7)
    with path.open("r+b") as file:
        for number in numbers:
            file.seek((number - 1) * PAGE)
            file.write(chance.randbytes(PAGE))


def check(found: Salvaged, history: dict[str, list[Recorded]], new: dict[str, list[Recorded]]) -> None:
    """What is there is true, what is not is named, and every conversation can go on."""
    losses = {loss.conversation_id: loss for loss in found.losses}
    for name, events in new.items():
        missing = (
            {seq for first, last in losses[name].spans for seq in range(first, last + 1)} if name in losses else set()
        )
        there = [(one.turn_id, one.event, one.at) for one in history[name] if one.seq not in missing]
        back = [(one.turn_id, one.event, one.at) for one in events]
        kept = [one for one in back if one in there]
        assert kept == there[: len(kept)], "all up to the last that is known of is there, in order, or reported as lost"
        assert all(one in there or isinstance(one[1], TurnStarted | TurnFinished) for one in back), "nothing is made up"
        assert [one.seq for one in events] == list(range(1, len(events) + 1))
        conversation = fold(name, events)
        assert conversation.turn is None
        assert breaches(conversation.messages) == [] or name in losses


async def test_of_a_file_that_is_not_damaged_nothing_is_lost(tmp_path: Path) -> None:
    history = await written(tmp_path / "old.db")
    found = salvage(tmp_path / "old.db", tmp_path / "new" / "new.db")
    assert (found.losses, found.unreadable) == ((), 0)
    assert found.events == sum(map(len, history.values()))
    assert await read(tmp_path / "new" / "new.db") == history
    store = SqliteStore(tmp_path / "new" / "new.db")
    assert [hit.conversation_id for hit in await store.search("question c_7")] == ["c_7"] * TURNS
    assert (await store.head("c_7")).title == "question 0 of c_7"
    await store.close()


@pytest.mark.parametrize("seed", range(4))
async def test_garbage_over_a_tenth_of_the_pages_costs_only_what_stood_there(tmp_path: Path, seed: int) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    history = await written(old)
    count = old.stat().st_size // PAGE
    spoil(old, *random.Random(seed).sample(range(2, count + 1), count // 10))
    found = salvage(old, new)
    back = await read(new)
    check(found, history, back)
    assert found.losses
    whole, kept = sum(map(len, history.values())), sum(map(len, back.values()))
    assert kept > whole // 2


async def test_garbage_over_the_head_of_the_file_costs_no_event(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    history = await written(old)
    spoil(old, 1)
    with pytest.raises(StoreError, match="salvage"):
        SqliteStore(old)
    found = salvage(old, new)
    assert found.losses == ()
    assert await read(new) == history


async def test_a_file_that_was_cut_off_gives_what_is_left_of_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    history = await written(old)
    with old.open("r+b") as file:
        file.truncate(old.stat().st_size // 2 + 100)
    check(salvage(old, new), history, await read(new))


async def test_what_stands_only_in_the_log_is_read_as_well(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "live.db")
    await store.create("c")
    await store.append(await begun(store, "c", "t", said("hello")), [DONE])
    for suffix in ("", "-wal"):
        (tmp_path / f"old.db{suffix}").write_bytes((tmp_path / f"live.db{suffix}").read_bytes())
    await store.close()
    assert (tmp_path / "old.db-wal").stat().st_size > PAGE
    assert salvage(tmp_path / "old.db", tmp_path / "new.db").events == 2


async def test_a_turn_that_was_open_is_closed_so_that_no_call_of_it_runs_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "old.db")
    await store.create("c")
    await store.append(await begun(store, "c", "t", said("hello")), one_turn(1, 10)[:2])
    await store.close()
    salvage(tmp_path / "old.db", tmp_path / "new.db")
    events = (await read(tmp_path / "new.db"))["c"]
    assert isinstance(events[-1].event, TurnFinished)
    assert "lost" in events[-1].event.detail
    conversation = fold("c", events)
    assert conversation.turn is None
    assert breaches(conversation.messages) == []


async def test_a_deleted_conversation_stays_deleted(tmp_path: Path) -> None:
    await written(tmp_path / "old.db")
    store = SqliteStore(tmp_path / "old.db")
    for number in range(1, CONVERSATIONS):
        await store.delete(f"c_{number}")
    await store.close()
    assert salvage(tmp_path / "old.db", tmp_path / "new.db").conversations == ("c_0",)


async def test_what_is_no_history_is_said_to_be_none(tmp_path: Path) -> None:
    noise = tmp_path / "noise.db"
    noise.write_bytes(random.Random(1).randbytes(50 * PAGE))
    with pytest.raises(StoreError, match="No event"):
        salvage(noise, tmp_path / "new.db")
    with pytest.raises(NotFound):
        salvage(tmp_path / "gone.db", tmp_path / "new.db")
    with pytest.raises(Conflict, match="exists already"):
        salvage(noise, noise)
    assert not (tmp_path / "new.db").exists()


def test_pages_of_pure_noise_never_break_the_reader(tmp_path: Path) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        pages = [bytes([chance.choice((2, 10, 13))]) + chance.randbytes(PAGE - 1) for _ in range(10)]
        (tmp_path / "noise.db").write_bytes(b"".join(pages))
        reader = Pages(tmp_path / "noise.db")
        assert all(isinstance(record, tuple) for record in reader.records())
        reader.close()


async def test_flipped_bits_anywhere_cost_what_they_hit_and_nothing_else(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    history = await written(old)
    whole, raw = sum(map(len, history.values())), old.read_bytes()
    for seed in range(12):
        chance, bits = random.Random(seed), bytearray(raw)
        for _ in range(1_000):
            bits[chance.randrange(PAGE, len(raw))] ^= 1 << chance.randrange(8)
        old.write_bytes(bits)
        salvage(old, new)
        back = await read(new)
        assert sum(map(len, back.values())) > whole // 2
        for name, events in back.items():
            conversation = fold(name, events)
            assert conversation.turn is None
            assert breaches(repaired(conversation.messages)) == []
        new.unlink()


@pytest.mark.parametrize(
    "damage",
    [
        "update events set conversation_id = 'c_0x' where conversation_id = 'c_0' and seq = 8",
        "update events set turn_id = 't_c_0_2' where conversation_id = 'c_0' and seq = 8",
        "update events set turn_id = 'nobody' where conversation_id = 'c_0' and seq = 8",
        "update events set at = 1e300 where conversation_id = 'c_0' and seq = 8",
    ],
)
async def test_an_event_under_a_damaged_name_is_put_back_where_it_was(tmp_path: Path, damage: str) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    history = await written(old)
    database = apsw.Connection(str(old))
    database.execute("pragma foreign_keys = off")
    database.execute("drop index recorded_once")
    database.execute(damage)
    database.close()
    assert salvage(old, new).losses == ()
    assert {name: [one.event for one in events] for name, events in (await read(new)).items()} == {
        name: [one.event for one in events] for name, events in history.items()
    }


@pytest.mark.parametrize("place", ["the head of the log", "a page in its middle", "the head of both files"])
async def test_behind_a_damaged_part_of_the_log_the_rest_is_read_all_the_same(tmp_path: Path, place: str) -> None:
    old = tmp_path / "old.db"
    history = await written(tmp_path / "live.db", copy=old)
    log = bytearray((tmp_path / "old.db-wal").read_bytes())
    frame = 24 + PAGE
    middle = len(log) // frame // 2 * frame + 32 + 24
    beginning, end = (middle, middle + PAGE) if "middle" in place else (0, 32)
    log[beginning:end] = bytes(end - beginning)
    (tmp_path / "old.db-wal").write_bytes(log)
    if "both" in place:
        spoil(old, 1)
    salvage(old, tmp_path / "new.db")
    back = await read(tmp_path / "new.db")
    lost = sum(map(len, history.values())) - sum(map(len, back.values()))
    assert lost <= (40 if "middle" in place else 0)


async def test_where_nothing_can_be_written_nothing_is_left_behind(tmp_path: Path) -> None:
    await written(tmp_path / "old.db")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be salvaged"):
        salvage(tmp_path / "old.db", tmp_path / "file" / "new.db")
    (tmp_path / "new.db.part").write_text("what a run that was killed left behind")
    salvage(tmp_path / "old.db", tmp_path / "new.db")
    assert sorted(os.listdir(tmp_path)) == ["file", "new.db", "old.db"]
