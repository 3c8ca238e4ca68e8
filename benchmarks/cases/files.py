"""The files server beside the reference filesystem server, a one-tool server of the bare SDK, and ripgrep."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from benchmarks.foreign import Missing, npm_package, npm_program
from benchmarks.measuring import Budget, Case, Operation, Side, floor, ours, tool_side

WORDS = [
    f"{start}{end}" for start in ("ba", "co", "di", "fu", "ge", "lo", "mi") for end in ("rn", "st", "lk", "mp", "nd")
]
NEEDLE = "zanzibar"
Program = Callable[[], Sequence[str]]
"""The command of a server, asked for when its case starts."""


def cases(room: Path) -> Sequence[Case]:
    """Return the rows: reading, listing, searching, editing."""
    fixtures(room)
    server = ours("files", str(room), "--log-level", "error")

    def reference() -> Sequence[str]:
        return [*npm_program("filesystem", "dist/index.js"), str(room)]

    edit = tool_side("ours", ours("files", f"{room}:rw", "--log-level", "error"), "fs_edit", EDIT)
    return [
        *reading(room, server, reference),
        *finding(room, server, reference),
        Case("edit one line of 1,000", [edit]),
    ]


def reading(room: Path, server: Program, reference: Program) -> Sequence[Case]:
    """Return the rows that read one file."""
    return [
        Case(
            "read 1 KB",
            [
                tool_side("ours", server, "fs_read", {"path": "1k.txt"}),
                tool_side("floor", floor(), "read", {"path": str(room / "1k.txt")}),
                tool_side("reference", reference, "read_text_file", {"path": str(room / "1k.txt")}),
            ],
            Budget(ratio=1.3, to="floor"),
        ),
        Case(
            "read 1 MB",
            [
                tool_side("ours", server, "fs_read", {"path": "1m.txt", "max_bytes": 1048576, "max_lines": 100_000}),
                tool_side("floor", floor(), "read", {"path": str(room / "1m.txt")}),
                tool_side("reference", reference, "read_text_file", {"path": str(room / "1m.txt")}),
            ],
            Budget(plus_ms=6),
            calls=5,
        ),
        Case(
            "a page of 300 MB",
            [tool_side("ours", server, "fs_read", {"path": "300m.txt", "offset": 250_000_000})],
            Budget(plus_ms=6),
        ),
    ]


def finding(room: Path, server: Program, reference: Program) -> Sequence[Case]:
    """Return the rows that list and search."""
    return [
        Case(
            "list 1,000 files",
            [
                tool_side("ours", server, "fs_list", {"path": "thousand", "limit": 1000}),
                tool_side("reference", reference, "list_directory", {"path": str(room / "thousand")}),
                tool_side(
                    "reference with sizes", reference, "list_directory_with_sizes", {"path": str(room / "thousand")}
                ),
            ],
            Budget(plus_ms=3),
        ),
        Case(
            "find names in 5,000 files",
            [
                tool_side("ours", server, "fs_search", {"query": "*.md", "in": "name", "path": "tree", "limit": 1000}),
                tool_side("reference", reference, "search_files", {"path": str(room / "tree"), "pattern": "**/*.md"}),
            ],
            Budget(plus_ms=10),
            calls=5,
        ),
        Case(
            "find text in 5,000 files",
            [
                tool_side("ours", server, "fs_search", {"query": NEEDLE, "path": "tree"}),
                ripgrep_side(room / "tree"),
            ],
            Budget(ratio=2, to="ripgrep", plus_ms=25),
            calls=5,
        ),
    ]


EDIT = {"path": "edit.txt", "edits": [{"old": "line 500\n", "new": "line 500\n"}]}
"""An edit that can be repeated: it replaces a line by itself."""


def fixtures(room: Path) -> None:
    """Make the files that are read, listed and searched: the same on every run."""
    chance = random.Random(1)
    text = "".join(" ".join(chance.choices(WORDS, k=12)) + "\n" for _ in range(30_000))
    (room / "1k.txt").write_text(text[:1024])
    (room / "1m.txt").write_text(text[:1_048_576])
    with open(room / "300m.txt", "wb") as file:
        file.write(text.encode() * (300 * 1024 * 1024 // len(text)))
    (room / "edit.txt").write_text("".join(f"line {number}\n" for number in range(1000)))
    (room / "thousand").mkdir()
    for number in range(1000):
        (room / "thousand" / f"file-{number:04}.txt").write_text("x")
    for number in range(5000):
        folder = room / "tree" / f"d{number % 50}" / f"e{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        start = chance.randrange(1_000_000)
        body = text[start : start + chance.randrange(200, 6000)] + (f"{NEEDLE}\n" if number % 500 == 0 else "")
        (folder / f"f{number}{'.md' if number % 10 == 0 else '.txt'}").write_text(body)


def ripgrep_side(folder: Path) -> Side:
    """Return ripgrep as a side: the program on PATH, else the one that comes with an npm package."""

    @contextlib.contextmanager
    def ready() -> Generator[Operation]:
        command = [
            ripgrep(),
            "--no-config",
            "--line-number",
            "--no-heading",
            "--color=never",
            "-j1",
            NEEDLE,
            str(folder),
        ]
        yield lambda: len(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)

    return Side("ripgrep", ready)


def ripgrep() -> str:
    """Return the path of ripgrep. Raises `Missing`."""
    if (found := shutil.which("rg")) is not None:
        return found
    folder = npm_package("ripgrep").parent
    programs = [*folder.glob("ripgrep-*/bin/rg"), *folder.glob("ripgrep-*/bin/rg.exe")]
    if not programs:
        raise Missing("ripgrep is neither on PATH nor in the npm package @vscode/ripgrep for this platform")
    return str(programs[0])
