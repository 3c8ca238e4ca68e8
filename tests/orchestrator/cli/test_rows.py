from __future__ import annotations

import pytest
from pydantic import JsonValue

from orchestrator.cli.cleaning import clean, cut, one_line
from orchestrator.cli.rows import argument, arguments_row, duration, summary
from orchestrator.messages import Image, Result, Text


def result(text: str, *images: Image) -> Result:
    return Result(call_id="a", content=(Text(text=text), *images))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"entries": [1, 2], "next": null}', "2 entries"),
        ('{"entries": [1]}', "1 entry"),
        ('{"columns": [1, 2], "rows": [[1, 2]]}', "1 row"),
        ('{"entries": [], "warnings": [1]}', "0 entries"),
        ('{"plan": "SCAN\\nSORT", "warnings": []}', "2 lines"),
        ('{"big": [1, 2, 3], "small": [1]}', "3 big"),
        ("[1]", "1 item"),
        ('{"text": "a\\nb\\nc"}', "3 lines"),
        ('{"ok": true, "id": 5}', "ok, id"),
        ("{}", "nothing"),
        ("a\nb\n", "2 lines"),
        ("short", "short"),
        ("", "nothing"),
        ("x" * 300, "x" * 47 + "…" + "x" * 24),
        ("[" * 5_000, "[" * 47 + "…" + "[" * 24),
    ],
)
def test_a_result_is_summed_up_in_a_few_words(text: str, says: str) -> None:
    assert summary(result(text)) == says


def test_images_are_counted() -> None:
    picture = Image(media_type="image/png", data="")
    assert summary(Result(call_id="a", content=(picture, picture))) == "2 images"
    assert summary(result("seen", picture)) == "1 image + seen"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (".", "."),
        ("two words", '"two words"'),
        ("", '""'),
        ('a"b', '"a\\"b"'),
        (5, "5"),
        (None, "null"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_an_argument_is_shown_as_short_as_it_can_be_read(value: JsonValue, shown: str) -> None:
    assert argument(value) == shown


def test_arguments_fit_in_one_row() -> None:
    row = arguments_row({"path": "a/b", "text": "line\n" * 100, "many": list(range(100))})
    assert row.startswith('path=a/b text="line line')
    assert len(row) <= 100
    assert "\n" not in row


def test_a_long_text_keeps_its_head_and_its_tail() -> None:
    assert cut("abcdefghij", 7) == "abcd…ij"
    assert cut("abc", 3) == "abc"
    assert one_line("a\r\nb\tc  d") == "a b c d"
    assert clean("a\r\nb\rc\u2028d") == "a\nb\nc\nd"


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0.0s"), (9.96, "10.0s"), (42.4, "42s"), (185, "3m 05s")])
def test_durations_are_short(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
