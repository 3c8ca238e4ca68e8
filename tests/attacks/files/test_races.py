"""F46, F47: a neighbour swaps a folder with a link to the outside, as fast as it can, while we read and write."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servers.files.errors import FilesError
from servers.files.folder import Folder
from servers.files.opening import SYS_RENAMEAT2, Opener, kernel_opens, open_by_kernel, open_by_walk
from servers.files.patience import Patience
from servers.files.roots import Root
from servers.files.writing import write

RENAME_EXCHANGE = 2
NUMBER = SYS_RENAMEAT2.get(platform.machine())
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux" or NUMBER is None, reason="swapping needs renameat2 of Linux"),
]
READS, WRITES, WHOLE_WRITES = 30_000, 25_000, 300
"""For each of two openers: with both, 110,000 raced operations and more."""
OPENERS = [
    pytest.param(
        open_by_kernel,
        id="kernel",
        marks=pytest.mark.skipif(not kernel_opens(), reason="this kernel or its filter has no openat2"),
    ),
    pytest.param(open_by_walk, id="walk"),
]


@dataclass
class Swapper:
    """Exchanges two names in one step of the kernel, again and again, in a thread of its own."""

    one: Path
    other: Path
    swaps: int = 0

    @contextlib.contextmanager
    def at_work(self) -> Generator[Swapper]:
        """Swap until the block is left."""
        done, begun = threading.Event(), threading.Event()
        library = ctypes.CDLL(None, use_errno=True)
        one, other = os.fsencode(self.one), os.fsencode(self.other)

        def swap() -> None:
            while not done.is_set():
                assert library.syscall(NUMBER, -100, one, -100, other, RENAME_EXCHANGE) == 0
                self.swaps += 1
                begun.set()

        thread = threading.Thread(target=swap)
        thread.start()
        assert begun.wait(10)
        try:
            yield self
        finally:
            done.set()
            thread.join(10)


def arena(ground: Any, name: str) -> Swapper:
    """A folder of the root with a harmless secret.txt, and a link to the outside to swap it with."""
    folder = ground.root / name
    folder.mkdir()
    (folder / "secret.txt").write_text("harmless\n")
    (ground.root / f"{name}-link").symlink_to(ground.outside)
    return Swapper(folder, ground.root / f"{name}-link")


def served(ground: Any, opener: Opener) -> Folder:
    root = str(ground.root)
    return Folder.at(Root("A", root, root, writable=True), opener=opener)


def test_the_race_is_real_a_plain_open_loses_it(ground: Any) -> None:
    seen: set[str] = set()
    with arena(ground, "race").at_work() as swapper:
        while len(seen) < 2 and swapper.swaps < 1_000_000:
            seen.add((ground.root / "race" / "secret.txt").read_text())
    assert seen == {"harmless\n", ground.canary + "\n"}


@pytest.mark.parametrize("opener", OPENERS)
def test_f46_no_raced_read_leaks(ground: Any, opener: Opener) -> None:
    folder = served(ground, opener)
    read, refusals = 0, set[str]()
    with arena(ground, "race").at_work() as swapper:
        for _ in range(READS):
            try:
                with folder.file("race/secret.txt") as opened:
                    assert os.read(opened.fd, 100) == b"harmless\n"
                    read += 1
            except FilesError as error:
                refusals.add(error.code)
    folder.close()
    assert refusals <= {"denied", "conflict", "not_found"}
    assert (0 < read < READS, swapper.swaps > 100) == (True, True)


@pytest.mark.parametrize("opener", OPENERS)
def test_f47_no_raced_write_lands_outside(ground: Any, opener: Opener) -> None:
    folder = served(ground, opener)
    before = ground.state()
    written = 0
    with arena(ground, "wrace").at_work() as swapper:
        for number in range(WRITES):
            with contextlib.suppress(FilesError), folder.parent(f"wrace/w{number % 500}.txt") as (above, leaf):
                # What every writing room does with this descriptor: create, rename, unlink by name in it.
                os.close(os.open(leaf, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o600, dir_fd=above.fd))
                os.rename(leaf, f"{leaf}.done", src_dir_fd=above.fd, dst_dir_fd=above.fd)
                written += 1
        for number in range(WHOLE_WRITES):
            with contextlib.suppress(FilesError):
                write(folder, f"wrace/new{number}/x.txt", "PWNED", "create", None, True, Patience.of(5))
    folder.close()
    assert ground.state() == before
    assert (written > 0, swapper.swaps > 100) == (True, True)


async def test_f46_and_f47_through_the_protocol(attacker: Any) -> None:
    ground = attacker.ground
    swapper = arena(ground, "race")
    read = refused = 0
    with swapper.at_work():
        for number in range(150):
            # Looked at one by one below: the swapping itself must not count as a change of what lies outside.
            for tool, arguments in (
                ("fs_read", {"path": "race/secret.txt"}),
                ("fs_search", {"query": "CANARY", "path": "race"}),
                ("fs_write", {"path": f"race/w{number}.txt", "content": "PWNED"}),
                ("fs_move", {"src": "ok.txt", "dst": f"race/c{number}.txt", "copy": True}),
            ):
                result = await attacker.client.call_tool(tool, arguments)
                assert ground.canary not in str(result)
                read, refused = read + (not result.is_error), refused + bool(result.is_error)
    assert ground.state() == attacker.before
    assert (read > 0, refused > 0) == (True, True)
    await attacker.works()
