from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.wrapping import Wrapping, hanging


def wrapped(text: str, width: int = 20, size: int = 1000) -> str:
    wrapping = Wrapping(width)
    pieces = [wrapping.feed(text[start : start + size]) for start in range(0, len(text), size)]
    return "".join([*pieces, wrapping.flush()])


def test_lines_are_broken_between_words() -> None:
    assert wrapped("the quick brown fox jumps over it") == "the quick brown fox\njumps over it"
    assert wrapped("- a\n  - b\n") == "- a\n  - b\n"


def test_a_word_that_is_longer_than_a_line_stays_whole() -> None:
    assert wrapped("see http://example.com/a/long/path now") == "see\nhttp://example.com/a/long/path\nnow"


def test_code_is_left_as_it_is() -> None:
    code = "```sh\na command that is longer than any line here\n```\n"
    assert wrapped(code + "the quick brown fox jumps") == code + "the quick brown fox\njumps"


def test_wide_characters_count_twice() -> None:
    assert wrapped("日本語 日本語 日本語", width=14) == "日本語 日本語\n日本語"


TEXTS = st.text(alphabet="ab \n`日", max_size=80)


@given(text=TEXTS, size=st.integers(min_value=1, max_value=9))
def test_the_pieces_in_which_words_come_make_no_difference(text: str, size: int) -> None:
    assert wrapped(text, 12, size) == wrapped(text, 12)


@given(text=TEXTS)
def test_no_word_is_lost(text: str) -> None:
    assert wrapped(text, 12).split() == text.split()


def test_a_row_is_broken_between_words_and_its_columns_stay() -> None:
    assert hanging("! the quick brown fox jumps", 20) == "! the quick brown\n  fox jumps"
    assert hanging("✓ tea__brew  12 cups", 20) == "✓ tea__brew  12 cups"
    assert hanging("! see http://example.com/a/long/path now", 10) == "! see\n  http://example.com/a/long/path\n  now"
    assert hanging("日本語 日本語 日本語", 14) == "日本語 日本語\n  日本語"
