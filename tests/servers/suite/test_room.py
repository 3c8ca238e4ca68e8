"""Few large things are in memory at once: who holds the room, who waits for it, and that nobody keeps it for ever."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import anyio.to_thread
import pytest

from servers.room import HELD, LARGE, Arriving, Hold, room_for_answer
from tests.servers.suite.running import PATIENCE

pytestmark = pytest.mark.anyio


def never() -> bool:
    return False


@contextmanager
def holding() -> Generator[Hold]:
    """A call that holds what it takes until the end of the block."""
    hold = Hold()
    try:
        yield hold
    finally:
        hold.give_back()


async def taken(hold: Hold) -> bool:
    return await anyio.to_thread.run_sync(hold.take, never)


async def test_the_room_for_a_large_answer_is_one_calls_until_it_is_given_back() -> None:
    order: list[str] = []
    with anyio.fail_after(PATIENCE), holding() as first, holding() as second:
        assert await taken(first)
        assert await taken(first), "a call that has it needs no other"

        async def wait() -> None:
            assert await taken(second)
            order.append("taken")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            order.append("given back")
            first.give_back()
    assert order == ["given back", "taken"]


async def test_who_does_not_wait_any_more_goes_without_and_keeps_nobody_out() -> None:
    with anyio.fail_after(PATIENCE), holding() as first, holding() as second, holding() as third:
        assert await taken(first)
        assert not second.take(lambda: True)
        second.give_back()
        first.give_back()
        assert not await taken(second), "its call is over"
        assert await taken(third)


async def test_only_large_answers_of_calls_that_are_told_of_wait() -> None:
    with anyio.fail_after(PATIENCE), holding() as first, holding() as second:
        assert await taken(first)
        room_for_answer(LARGE + 1, never)  # nobody would give it back here
        token = HELD.set(second)
        room_for_answer(LARGE, never)
        HELD.reset(token)


async def test_what_a_call_holds_is_given_back_once_even_if_nobody_sends_its_answer() -> None:
    given: list[str] = []
    with anyio.fail_after(PATIENCE):
        hold = Hold()
        back = anyio.Event()
        hold.keep(lambda: given.append("place"))
        hold.keep(back.set)
        assert await taken(hold)
        hold.give_back_soon()
        await back.wait()
        hold.give_back()
        with holding() as other:
            assert await taken(other)
    assert given == ["place"]


async def test_large_messages_wait_for_those_before_them_and_small_ones_do_not() -> None:
    arriving = Arriving(most=3 * LARGE)
    order: list[object] = []

    async def arrive(key: object, size: int) -> None:
        await arriving.room(key, size)
        order.append(key)

    with anyio.fail_after(PATIENCE):
        await arrive("huge", 5 * LARGE)  # alone, it may be larger than all that may arrive
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(arrive, "large", 2 * LARGE)
            await anyio.wait_all_tasks_blocked()
            await arrive("small", LARGE)
            arriving.done("huge")
            arriving.done("small")
    assert order == ["huge", "small", "large"]
