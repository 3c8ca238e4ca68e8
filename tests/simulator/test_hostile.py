"""Words and results that nobody would write in good faith: they are answered, and soon."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest

from simulator import brain, schemas, strict
from simulator.answer import Call
from simulator.situation import Done, Situation
from tests.simulator.test_brain import SCHEMA, TOOLS

TOLD = """list the files add 007 1e5 1. -0 .5 ٣ ² ½ nan limit=nan a=inf b=-inf start_line=² max_lines=٣ first lines of
README.md `select 1` ` " ' { } {"a":NaN} {"a":1e999,"b":2} {"query":5} from line 99999999999999999999 and , then how
many customers orders most expensive where country is = average /call x files__fs_list [1] null {} in for http://[
https:// move to send mail subject ../.. /refuse top sum \ud800 \0 \0007\0"""
WORDS = [*TOLD.split(), "9" * 5_000, "9" * 400 + ".5", "\n"]


@pytest.mark.parametrize("seed", range(20))
def test_any_of_these_words_in_any_order_are_answered_with_what_json_can_hold(seed: int) -> None:
    dice = random.Random(seed)
    for _ in range(50):
        text = " ".join(dice.choices(WORDS, k=dice.randint(1, 9)))
        done = (Done("database__db_schema", {"detail": "full"}, SCHEMA),) if dice.random() < 0.4 else ()
        answer = brain.think(Situation(text, TOOLS, done, introduced=False, turn=1))
        for piece in answer.pieces:
            if isinstance(piece, Call):
                json.dumps(piece.input, allow_nan=False)


SLOW = """
import sys
from simulator import brain
from simulator.situation import Done, Situation
from tests.simulator.test_brain import TOOLS
for unit in (" ", "-", "\\n", "`", "{", '{"a":', "a.", "./", "list files and ", "how many ", "“", "- - ", "a.md\\n"):
    text = unit * (100_000 // len(unit))
    brain.think(Situation(text, TOOLS, (), introduced=False, turn=1))
    told = Done("database__db_schema", {"detail": "full"}, text)
    brain.think(Situation("how many customers are there?", TOOLS, (told,), introduced=False, turn=1))
for unit in ("CREATE TABLE a(", "CREATE TABLE a (b int,", "[" , "("):
    told = Done("database__db_schema", {"detail": "full"}, unit * (100_000 // len(unit)))
    brain.think(Situation("how many customers are there?", TOOLS, (told,), introduced=False, turn=1))
"""


def test_long_runs_of_anything_do_not_hold_it_up() -> None:
    """Some seconds here; for each of them it would be minutes if the time grew with the square of the length."""
    subprocess.run([sys.executable, "-c", SLOW], timeout=120, check=True)


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "[" * 100_000])
def test_what_json_cannot_hold_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        strict.loads(text)
    with pytest.raises(ValueError):
        strict.starting(text)


def test_a_pattern_that_would_take_forever_is_answered_at_once() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}
    assert not schemas.fits(schema, {"a": "a" * 60 + "b"})
    assert schemas.fits(schema, {"a": "a" * 60})
    assert schemas.fits({"type": "string", "pattern": "(?=x)"}, "y"), "what RE2 does not know fits"
