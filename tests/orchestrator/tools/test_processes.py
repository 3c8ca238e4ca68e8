"""Processes: few variables, bounded memory, and none that stays."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import anyio
import pytest
from anyio.streams.text import TextReceiveStream

from orchestrator.config import ServerConfig
from orchestrator.tools import keeper
from orchestrator.tools.problems import CannotStart
from orchestrator.tools.processes import LINE, LINES, Recipe, Tail, found, nursery, prepared
from tests.orchestrator.tools.boxes import FIXTURES, HOUSE, alive, gone, until

pytestmark = pytest.mark.anyio
LINUX = pytest.mark.skipif(not keeper.available(), reason="needs /proc, which only Linux has")


def python(script: str) -> Recipe:
    return Recipe(sys.executable, ("-S", "-u", "-c", script), {"PATH": os.defpath}, None)


@pytest.mark.parametrize("command", ["nothing-of-that-name", "./not/there"])
def test_a_program_that_is_not_there_is_named_with_the_places(command: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        found(command, str(tmp_path), None)
    assert command.rpartition("/")[2] in caught.value.what
    assert caught.value.advice


def test_a_declared_path_goes_before_ours(tmp_path: Path) -> None:
    program = tmp_path / "serve"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    config = ServerConfig(command="serve", env={"PATH": str(tmp_path)})
    assert prepared(config, {"PATH": "/usr/bin", "TOKEN": "x", "HOME": "/h"}).program == str(program)
    assert prepared(config, {"PATH": "/usr/bin", "TOKEN": "x", "HOME": "/h"}).env == {
        "HOME": "/h",
        "PATH": str(tmp_path),
    }


def test_last_words_take_bounded_memory_and_no_control_characters() -> None:
    tail = Tail()
    for _ in range(300):
        tail.feed(b"\x1b[31mred\x1b[0m " + b"y" * 10_000 + b"\n")
    tail.feed(b"z" * 1_000_000)
    assert len(tail.lines) <= LINES + 1
    assert max(map(len, tail.lines)) <= LINE
    assert all(line.isprintable() for line in tail.lines)


async def test_lines_come_out_as_they_went_in() -> None:
    script = "import sys\nfor line in sys.stdin: sys.stdout.write(line)"
    async with nursery() as processes, processes.started(python(script)) as child:
        with anyio.fail_after(60):
            sent = [b"x" * size for size in (1, 100_000, 3_000_000)]
            for line in sent:
                await child.write(line + b"\n")
                assert await child.line() == line
    assert await child.line() is None


async def test_a_process_that_reads_nothing_blocks_the_writer_and_not_its_end_however_stubborn() -> None:
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(600)"
    async with nursery() as processes:
        with anyio.fail_after(60):
            async with processes.started(python(stubborn)) as child:
                assert await child.line() == b"ready"
                with anyio.move_on_after(0.2) as scope:
                    while True:
                        await child.write(b"x" * 100_000)
                assert scope.cancelled_caught
        await until(lambda: not Path(f"/proc/{child.transport.get_pid()}").exists())


async def test_a_polite_process_ends_when_its_input_does_and_is_reaped() -> None:
    async with nursery() as processes:
        async with processes.started(python("import sys; sys.stdin.read(); sys.exit(4)")) as child:
            pass
        assert child.transport.get_returncode() == 4
        await until(lambda: not Path(f"/proc/{child.transport.get_pid()}").exists())


@LINUX
async def test_what_a_server_leaves_behind_ends_with_it_in_its_group_and_outside() -> None:
    script = (
        "import subprocess, sys, time\n"
        "sleep = [sys.executable, '-S', '-c', 'import time; time.sleep(600)']\n"
        "print(subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid)"
    )
    async with nursery() as processes:
        async with processes.started(python(script)) as child:
            line = await child.line()
            pids = [int(pid) for pid in (line or b"").split()]
            assert len(pids) == 2
        await gone(pids)


@LINUX
async def test_no_process_survives_a_killed_host_grandchildren_included(tmp_path: Path) -> None:
    async with await anyio.open_process(
        [sys.executable, str(FIXTURES / "host.py"), str(tmp_path)],
        cwd=HOUSE,
        env={**os.environ, "PYTHONPATH": str(HOUSE)},
    ) as host:
        assert host.stdout
        with anyio.fail_after(60):
            line = await TextReceiveStream(host.stdout).receive()
        pids = [int(pid) for pid in line.split()]
        keepers = [one.pid for one in keeper.table().values() if one.parent == host.pid]
        assert len(pids) == 3
        assert all(map(alive, pids))
        host.send_signal(signal.SIGKILL)
        await gone([host.pid, *pids])
        await gone(keepers)


@LINUX
async def test_what_a_killed_keeper_left_is_ended_by_the_next(tmp_path: Path) -> None:
    command = [sys.executable, str(FIXTURES / "host.py"), str(tmp_path)]
    async with await anyio.open_process(command, cwd=HOUSE, env={**os.environ, "PYTHONPATH": str(HOUSE)}) as host:
        assert host.stdout
        with anyio.fail_after(60):
            line = await TextReceiveStream(host.stdout).receive()
        pids = [int(pid) for pid in line.split()]
        for one in keeper.table().values():
            if one.parent == host.pid and one.pid not in pids:
                os.kill(one.pid, signal.SIGKILL)
        host.send_signal(signal.SIGKILL)
        await gone([host.pid])
    assert any(map(alive, pids))
    async with nursery():
        await gone(pids)
