"""What a client does with each of our servers, and what it must see, whichever client it is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEXT = "Ünïcödé — first line\nsecond line\n"


@dataclass(frozen=True)
class Story:
    """A server's command, the calls that are made of it, and the words that each of their results must hold."""

    command: tuple[str, ...]
    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    """The first is for the Inspector as well; the last must fail."""
    words: tuple[str, ...]
    tools: frozenset[str]

    def check(self, seen: Mapping[str, Any]) -> None:
        """Raise if what a client saw (`tools`, and `results` as text, structured content, failed) is not the story."""
        assert self.tools <= set(seen["tools"])
        for (text, _, failed), words, last in zip(seen["results"], self.words, self.last(), strict=True):
            assert words in text
            assert failed is last

    def last(self) -> list[bool]:
        """Return which of the calls must fail: the last."""
        return [False] * (len(self.calls) - 1) + [True]


def files(folder: Path) -> Story:
    """A folder with one file."""
    (folder / "a.txt").write_text(TEXT, encoding="utf-8")
    calls = (("fs_read", {"path": "a.txt"}), ("fs_list", {"path": "."}), ("fs_read", {"path": "missing.txt"}))
    words = ("Ünïcödé — first line", '"a.txt"', "not_found: ")
    return Story(program("files", str(folder)), calls, words, frozenset({"fs_list", "fs_read", "fs_search", "fs_info"}))


def database(folder: Path) -> Story:
    """The sample shop."""
    calls = (
        ("db_query", {"sql": "select name from customers order by id limit 1"}),
        ("db_schema", {"pattern": "order*"}),
        ("db_query", {"sql": "select nope from customers"}),
    )
    words = ('"row_count":1', '"order_items"', "nope")
    tools = frozenset({"db_schema", "db_query", "db_explain", "db_profile"})
    return Story(program("database", "--demo", str(folder / "shop.db")), calls, words, tools)


def fetch(page: str) -> Story:
    """One page on this machine, and an address that is not open."""
    calls = (
        ("web_fetch", {"url": page}),
        ("web_fetch", {"url": page, "format": "links"}),
        ("web_fetch", {"url": "http://127.0.0.2/secret"}),
    )
    words = ("Ünïcödé", "example.com", "denied: ")
    tools = frozenset({"web_fetch", "web_fetch_many"})
    return Story(program("fetch", "--allow-cidr", "127.0.0.1/32", "--ignore-robots"), calls, words, tools)


def program(name: str, *options: str) -> tuple[str, ...]:
    """Return the command of one of our servers."""
    return (sys.executable, "-m", f"servers.{name}", *options)
