from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.limits import cut_cell, cut_rows, cut_text

TEXT = st.text(st.characters(blacklist_categories=("Cs",)))


@given(TEXT, st.integers(0, 40))
def test_a_cut_text_is_the_longest_start_that_fits(text: str, most: int) -> None:
    cut = cut_text(text, most)
    assert text.startswith(cut.text)
    assert cut.size == len(cut.text.encode()) <= most
    assert cut.whole == (cut.text == text)
    if not cut.whole:
        assert cut.size + len(text[len(cut.text)].encode()) > most


@given(TEXT, st.integers(1, 40))
def test_the_pieces_put_together_are_the_whole(text: str, most: int) -> None:
    pieces: list[str] = []
    rest = text
    while rest:
        cut = cut_text(rest, max(most, 4))
        pieces.append(cut.text)
        rest = rest[len(cut.text) :]
    assert "".join(pieces) == text


def test_a_text_can_end_with_its_last_whole_line() -> None:
    assert cut_text("one\ntwo\nthree", 10, at_line=True).text == "one\ntwo\n"
    assert cut_text("one long line", 5, at_line=True).text == "one l"


def test_a_cell_says_that_it_was_cut() -> None:
    assert cut_cell("short", 5) == ("short", False)
    assert cut_cell("longer", 5) == ("long…", True)


@pytest.mark.parametrize(
    ("count", "most", "most_bytes", "kept", "why"),
    [
        (3, 5, None, 3, None),
        (5, 5, None, 5, None),
        (6, 5, None, 5, "rows"),
        (9, 9, 10, 5, "bytes"),
        (2, 5, 1, 1, "bytes"),
    ],
)
def test_rows_are_cut_with_the_reason(
    count: int, most: int, most_bytes: int | None, kept: int, why: str | None
) -> None:
    rows = cut_rows(iter(["ab"] * count), most=most, most_bytes=most_bytes, size=len)
    assert (len(rows.kept), rows.truncated) == (kept, why)


def test_only_one_row_too_many_is_ever_fetched() -> None:
    fetched: list[int] = []
    cut_rows((fetched.append(number) or number for number in range(1_000)), most=10)
    assert len(fetched) == 11
