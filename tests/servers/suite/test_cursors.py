from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.cursors import HOUR, Cursors
from servers.refusals import Refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, st.dictionaries(st.text(), JSON, max_size=3))
def test_a_cursor_gives_back_its_position(position: object, arguments: dict[str, object]) -> None:
    cursors = Cursors([b"k" * 32])
    assert cursors.open(cursors.seal("list", arguments, position), "list", arguments) == position


def test_replicas_that_share_a_key_accept_each_others_cursors_while_keys_change() -> None:
    old, new = b"o" * 32, b"n" * 32
    cursor = Cursors([old]).seal("list", {}, 7)
    assert Cursors([new, old]).open(cursor, "list", {}) == 7
    with pytest.raises(Refusal, match="does not belong"):
        Cursors([new]).open(cursor, "list", {})


@pytest.mark.parametrize(("tool", "arguments"), [("other", {"path": "a"}), ("list", {"path": "b"}), ("list", {})])
def test_a_cursor_of_another_call_is_refused(tool: str, arguments: dict[str, str]) -> None:
    cursors = Cursors()
    cursor = cursors.seal("list", {"path": "a"}, 1)
    with pytest.raises(Refusal, match=f"Call {tool} again") as refusal:
        cursors.open(cursor, tool, arguments)
    assert refusal.value.code == "invalid"


@given(st.text(max_size=60))
def test_what_was_never_sealed_is_refused(cursor: str) -> None:
    with pytest.raises(Refusal):
        Cursors([b"k" * 32]).open(cursor, "list", {})


@given(st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_cursor_is_refused(place: int, change: int) -> None:
    from base64 import urlsafe_b64decode, urlsafe_b64encode

    cursors = Cursors([b"k" * 32])
    cursor = cursors.seal("list", {}, [1, "two"])
    raw = bytearray(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    raw[place % len(raw)] ^= change
    with pytest.raises(Refusal):
        cursors.open(urlsafe_b64encode(raw).decode().rstrip("="), "list", {})


def test_a_cursor_expires_after_an_hour() -> None:
    now = 1_000_000.0
    cursors = Cursors(clock=lambda: now)
    cursor = cursors.seal("list", {}, 3)
    now += HOUR - 1
    assert cursors.open(cursor, "list", {}) == 3
    now += 2
    with pytest.raises(Refusal, match="expired"):
        cursors.open(cursor, "list", {})
