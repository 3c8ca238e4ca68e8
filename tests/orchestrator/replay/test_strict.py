"""What was recorded comes out again to the byte, and whatever was changed in it is found."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.events import Recorded, StepFinished, ToolFinished, ToolStarted, TurnFinished
from orchestrator.exporting import as_json
from orchestrator.messages import Text
from orchestrator.models.scripted import asks, says
from orchestrator.replaying.cassette import Cassette, read
from orchestrator.replaying.strict import Difference, replay
from tests.orchestrator.playing import call
from tests.orchestrator.replay.tapes import TurnPlan, changed, plans, taped

pytestmark = pytest.mark.anyio


async def played(cassette: Cassette) -> Difference | None:
    with anyio.fail_after(30):
        return await replay(cassette)


async def test_a_turn_that_went_in_circles_replays_wherever_it_was_broken_off() -> None:
    script = [asks([call(f"n{number}", name="same")]) for number in range(9)]
    for cut in range(1, 14):
        assert await played(await taped(TurnPlan(script, cut=cut))) is None


@settings(deadline=None, max_examples=100)
@given(turns=st.lists(plans(), min_size=1, max_size=3), left=st.integers(0, 40))
def test_any_conversation_replays_to_the_byte_whole_or_broken_off(turns: list[TurnPlan], left: int) -> None:
    cassette = anyio.run(taped, *turns)
    assert anyio.run(played, cassette) is None
    part = Cassette(cassette.conversation_id, cassette.events[: len(cassette.events) - left])
    assert anyio.run(played, part) is None


SCRIPT = (
    asks([call("a", name="one"), call("b", "notes__read", name="two"), call("c", name="three")], "Let me see."),
    asks([call("d", name="four")]),
    says("All done."),
)
WHOLE = anyio.run(taped, TurnPlan(SCRIPT), TurnPlan((asks([call("e")]), says("Bye."))))


@settings(deadline=None, max_examples=60)
@given(place=st.integers(1, len(WHOLE.events) - 2))
def test_an_event_that_is_missing_is_found_at_its_place(place: int) -> None:
    tampered = Cassette("c", (*WHOLE.events[:place], *WHOLE.events[place + 1 :]))
    found = anyio.run(played, tampered)
    assert found is not None
    assert found.seq <= WHOLE.events[place].seq + 1


@settings(deadline=None, max_examples=60)
@given(place=st.integers(1, len(WHOLE.events) - 2))
def test_two_events_that_changed_places_are_found(place: int) -> None:
    first, second = WHOLE.events[place : place + 2]
    swapped = (second.model_copy(update={"seq": first.seq}), first.model_copy(update={"seq": second.seq}))
    tampered = Cassette("c", (*WHOLE.events[:place], *swapped, *WHOLE.events[place + 2 :]))
    found = anyio.run(played, tampered)
    of_calls = [one.event for one in (first, second) if isinstance(one.event, ToolStarted | ToolFinished)]
    independent = len({event.call_id for event in of_calls}) == 2
    assert (found is None) == independent, "calls that run at the same time may come in any order"


def place_of(kind: type[object], number: int = 0) -> int:
    return [one.seq for one in WHOLE.events if isinstance(one.event, kind)][number]


@pytest.mark.parametrize(
    ("seq", "fields"),
    [
        (place_of(StepFinished), {"step": 2}),
        (place_of(StepFinished), {"stop": "done"}),
        (place_of(StepFinished), {"stop": "length"}),
        (place_of(StepFinished, 1), {"message": says("No call.").message}),
        (place_of(ToolStarted), {"tool": "notes__burn"}),
        (place_of(ToolStarted, 3), {"call_id": "z"}),
        (place_of(ToolFinished), {"call_id": "z"}),
        (place_of(TurnFinished), {"reason": "length"}),
        (place_of(TurnFinished), {"detail": "Never said."}),
    ],
)
async def test_an_event_that_was_tampered_with_is_found(seq: int, fields: dict[str, object]) -> None:
    found = await played(changed(WHOLE, seq, **fields))
    assert found is not None
    assert found.recorded is not None


async def test_a_difference_names_its_event_with_what_was_recorded_and_what_came() -> None:
    seq = place_of(TurnFinished)
    found = await played(changed(WHOLE, seq, detail="Never said."))
    assert found is not None
    assert (found.seq, found.replayed) == (seq, TurnFinished(reason="done"))
    assert found.recorded is not None
    assert found.recorded.event == TurnFinished(reason="done", detail="Never said.")


async def test_a_cassette_goes_through_a_file_and_is_the_same() -> None:
    again = read(as_json(WHOLE.events))
    assert [one.model_dump_json() for one in again.events] == [one.model_dump_json() for one in WHOLE.events]
    assert await played(again) is None


@settings(deadline=None, max_examples=20)
@given(order=st.permutations([*range(30)]), other=st.permutations([*range(30)]))
def test_parallel_calls_start_and_finish_in_their_recorded_order(order: list[int], other: list[int]) -> None:
    started, finished = [MANY[2 + number] for number in order], [MANY[32 + number] for number in other]
    moved = [*MANY[:2], *started, *finished, *MANY[62:]]
    numbered = [one.model_copy(update={"seq": seq}) for seq, one in enumerate(moved, 1)]
    assert anyio.run(played, Cassette("c", tuple(numbered))) is None


def thirty_calls() -> list[Recorded]:
    """Return a turn of thirty calls: two events, thirty starts, thirty ends, and two events."""
    script = asks([call(f"n{number}", name=str(number)) for number in range(30)]), says("Ok.")
    kinds = (ToolStarted, ToolFinished)
    events = anyio.run(taped, TurnPlan(script)).events
    inner = [[one for one in events if isinstance(one.event, kind)] for kind in kinds]
    return [*events[:2], *inner[0], *inner[1], *events[-2:]]


MANY = thirty_calls()


async def test_a_turn_without_a_message_goes_on_where_the_last_one_stopped() -> None:
    failing = TurnPlan(SCRIPT, cut=1, end=TurnFinished(reason="failed", code="model_overloaded", detail="Busy."))
    cassette = await taped(failing, TurnPlan(SCRIPT, content=()))
    assert await played(cassette) is None


def test_text_that_only_python_can_hold_is_kept() -> None:
    cassette = anyio.run(taped, TurnPlan((says("\x00 \u2028 é"),), content=(Text(text="\x1b[31m"),)))
    assert anyio.run(played, read(as_json(cassette.events))) is None
