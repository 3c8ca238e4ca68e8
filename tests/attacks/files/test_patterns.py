"""Globs and regular expressions that are made to take for ever, or to say what lies outside."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

# One era is enough here: what is attacked lies behind the protocol.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("attacker", ["auto"], indirect=True)]

REGEXES = [
    r"(a+)+$",
    r"(a|a)*$",
    r"(a|aa)+$",
    r"(.*a){20}$",
    r"([a-z]+)*\d",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"a{1000}",
    r"((a{100}){100}){100}",
    r"(?:a?){100}a{100}",
    r"\C*",
    r"(" * 400 + r")" * 400,
    r"\p{L}+",
    r"(?P<n>a)(?P=n)",
    r"(a)\1",
    r"(?=a)",
    r"(?<!b)a",
    r"[",
    r"*",
    r"a**",
    r"(?i-s:x",
    r"\x{110000}",
    r"",
    "a" * 1001,
    "\n",
    r"\n",
    r"a\nb",
    r"^$",
    r"\z",
]
GLOBS = [
    "**/" * 300 + "x",
    "*" * 900,
    "*a" * 400,
    "{" * 200,
    "{a,{b,{c,d}}}" * 50,
    "[" * 100,
    "[!",
    "[]",
    "[^/]",
    "[z-a]",
    "[[:alpha:]]",
    "\\",
    "../*",
    "/../O/*",
    "/etc/*",
    "../**/secret.txt",
    "{../O/secret.txt,ok.txt}",
    "a" * 1001,
    "",
    "?" * 500,
]


@pytest.mark.parametrize("regex", REGEXES, ids=range(len(REGEXES)))
async def test_no_regular_expression_takes_for_ever(attacker: Any, regex: str) -> None:
    (attacker.ground.root / "a.txt").write_text(("a" * 30 + "\n") * 200 + "a" * 50_000 + "!\n")
    with anyio.fail_after(8):
        for where in ("content", "name"):
            answer = await attacker.call("fs_search", query=regex, regex=True, **{"in": where})
            assert not answer.is_error or answer.code in ("invalid", "timeout"), answer.text
    await attacker.works()


@pytest.mark.parametrize("glob", GLOBS, ids=range(len(GLOBS)))
async def test_no_glob_takes_for_ever_or_leads_outside(attacker: Any, glob: str) -> None:
    (attacker.ground.root / ("a" * 250)).write_text("a")
    with anyio.fail_after(8):
        for answer in (
            await attacker.call("fs_list", glob=glob, depth=8),
            await attacker.call("fs_search", query="a", glob=glob),
            await attacker.call("fs_search", query=glob, **{"in": "name"}),
        ):
            assert not answer.is_error or answer.code == "invalid", answer.text
            assert "secret.txt" not in answer.text or glob in answer.text
    await attacker.works()


async def test_a_match_never_reaches_over_a_line_end(attacker: Any) -> None:
    (attacker.ground.root / "two").write_text("one\ntwo\n")
    assert (await attacker.call("fs_search", query=r"one\stwo", regex=True)).structured["matches"] == []
    found = await attacker.call("fs_search", query=r"^\s*two$", regex=True)
    assert [match["line"] for match in found.structured["matches"]] == [2]


@pytest.mark.parametrize(
    "rules",
    [
        "(a+)+$\n" * 1000,
        "*" * 5000,
        "!" * 1000,
        "[" * 500,
        "**/" * 500,
        "\\\n\\",
        "\0\n*",
        "a" * 300_000,
        "/\n//\n***\n",
    ],
    ids=range(9),
)
async def test_no_gitignore_breaks_or_slows_a_walk(attacker: Any, rules: str) -> None:
    (attacker.ground.root / ".gitignore").write_text(rules)
    for number in range(50):
        (attacker.ground.root / f"{'a' * 200}{number}").touch()
    with anyio.fail_after(8):
        assert not (await attacker.call("fs_list", depth=3)).is_error
        assert not (await attacker.call("fs_search", query="a")).is_error
    await attacker.works()


async def test_no_foreign_cursor_is_believed(attacker: Any) -> None:
    for cursor in ("x", "A" * 5000, "../..", "\0", "eyJhIjoxfQ", "é", "\ud800"):
        for tool, arguments in (("fs_list", {}), ("fs_search", {"query": "a"})):
            answer = await attacker.call(tool, cursor=cursor, **arguments)
            assert answer.code == "invalid", answer.text
    await attacker.works()


async def test_a_cursor_of_one_call_is_not_taken_by_another(attacker: Any) -> None:
    for number in range(5):
        (attacker.ground.root / f"{number}.md").write_text("a\n")
    page = await attacker.call("fs_list", limit=2)
    cursor = page.structured["next"]
    assert (await attacker.call("fs_list", limit=2, sort="size", cursor=cursor)).code == "invalid"
    assert (await attacker.call("fs_list", limit=2, path="sub", cursor=cursor)).code == "invalid"
    assert (await attacker.call("fs_search", query="a", cursor=cursor)).code == "invalid"
    assert not (await attacker.call("fs_list", limit=3, cursor=cursor)).is_error
