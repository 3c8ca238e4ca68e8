"""Names fit, are unique, and depend on nothing but the tools themselves."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tools.names import LONGEST, name_all, offered

FITS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
PAIRS = st.lists(st.tuples(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=150)), max_size=20)


def test_an_ordinary_name_is_server_and_tool() -> None:
    assert offered("files", "read_file") == "files__read_file"


def test_a_long_name_keeps_its_head_and_its_tail() -> None:
    name = offered("github", "list_all_repositories_of_the_organisation_including_archived_and_private_ones")
    assert len(name) == LONGEST
    assert name.startswith("github__list_all_repositories_of_the")
    assert name.endswith("and_private_ones")


@pytest.mark.parametrize("odd", ["read file", "read.file", "lesen/ö", "läs", "a\0b", "\ud800"])
def test_odd_letters_are_replaced_and_the_names_stay_apart(odd: str) -> None:
    names = name_all([("s", odd), ("s", "read_file"), ("s", "read-file")])
    assert names[("s", "read_file")] == "s__read_file"
    assert all(FITS.fullmatch(name) for name in names.values())
    assert len(set(names.values())) == 3


def test_two_tools_with_the_same_name_both_get_a_mark_whichever_comes_first() -> None:
    tools = [("a__b", "c"), ("a", "b__c")]
    names = name_all(tools)
    assert names == name_all(reversed(tools))
    assert len(set(names.values())) == 2
    assert all(name.startswith("a__b__c_") for name in names.values())


@given(PAIRS, st.randoms())
def test_names_always_fit_are_unique_and_do_not_depend_on_the_order(
    pairs: list[tuple[str, str]], chance: random.Random
) -> None:
    names = name_all(pairs)
    assert set(names) == set(pairs)
    assert len(set(names.values())) == len(set(pairs))
    assert all(FITS.fullmatch(name) for name in names.values())
    shuffled = list(pairs)
    chance.shuffle(shuffled)
    assert name_all(shuffled) == names
