"""Sees to it that no server outlives the program that started it, not even after `kill -9`, grandchildren included.

One small process per host, run as a script with nothing but the standard library. Every server is started with a mark
in its environment, which its own children inherit, also those that leave its process group. The keeper reads lines on
its standard input: a mark means that everything that carries it must end now; the end of the input means that the host
is gone, and with it everything that it marked. What a dead host's dead keeper left behind is ended by the next one.

It needs `/proc`, which is to say Linux. Elsewhere a server ends when its standard input closes, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

VARIABLE = "ORCHESTRATOR_CHILD"
SEPARATOR = "."
GRACE, LAST = 0.5, 2.0
"""Seconds between the polite signal and the other one, and until we give up on what cannot be killed."""
ROUND = 0.03


@dataclass(frozen=True)
class Entry:
    """One line of the process table."""

    pid: int
    parent: int
    session: int
    started: str
    mark: str


def available() -> bool:
    """Whether processes can be found by their mark here."""
    return os.path.exists("/proc/self/environ")


def mark_of_host(pid: int) -> str:
    """Return what all marks of the host with this pid begin with: its namespace, pid and start time."""
    own = entry(pid)
    assert own is not None, f"no process {pid}"
    return SEPARATOR.join((namespace(), str(pid), own.started))


def namespace() -> str:
    """Return the pid namespace, because a pid means nothing outside of it."""
    return os.readlink("/proc/self/ns/pid").strip("pid:[]")


def entry(pid: int) -> Entry | None:
    """Return the process, unless it is gone or a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in parentheses, which may hold anything: count from its end.
            fields = file.read().rpartition(b")")[2].split()
        environment = b""
        with contextlib.suppress(PermissionError), open(f"/proc/{pid}/environ", "rb") as file:
            environment = b"\0" + file.read()
    except (OSError, ValueError):
        return None
    if fields[0] in (b"Z", b"X"):
        return None
    _, found, rest = environment.partition(f"\0{VARIABLE}=".encode())
    mark = rest.partition(b"\0")[0].decode(errors="replace") if found else ""
    return Entry(pid, int(fields[1]), int(fields[3]), fields[19].decode(), mark)


def table() -> dict[int, Entry]:
    """Return all processes that we can see."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return {pid: one for pid in pids if (one := entry(pid)) is not None}


def marked(belongs: Callable[[str], bool]) -> set[int]:
    """Return the processes with such a mark, the rest of their sessions, and everything below them."""
    processes = table()
    found = {one.pid for one in processes.values() if one.mark and belongs(one.mark)}
    # A session counts if its leader is one of them or gone: then nobody else can be in it.
    sessions = {processes[pid].session for pid in found}
    sessions = {session for session in sessions if session in found or session not in processes}
    found |= {one.pid for one in processes.values() if one.session in sessions}
    while below := {one.pid for one in processes.values() if one.parent in found} - found:
        found |= below
    return found - {os.getpid(), os.getppid(), 1}


def end(belongs: Callable[[str], bool]) -> None:
    """End all processes with such a mark; return when they are gone, or cannot be killed."""
    started = time.monotonic()
    while victims := marked(belongs):
        passed = time.monotonic() - started
        if passed > GRACE + LAST:
            return
        for pid in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM if passed < GRACE else signal.SIGKILL)
        time.sleep(ROUND)


def of_dead_host(mark: str) -> bool:
    """Whether the host that set this mark is gone."""
    parts = mark.split(SEPARATOR)
    if len(parts) != 4 or parts[0] != namespace() or not parts[1].isdigit():
        return False
    host = entry(int(parts[1]))
    return host is None or host.started != parts[2]


def main(host: str) -> None:
    """Serve the host whose marks begin with `host`, until it closes our standard input."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    end(of_dead_host)
    for line in sys.stdin:
        mark = line.strip()
        end(lambda other, mark=mark: other == mark)
    end(lambda other: other.startswith(host + SEPARATOR))


if __name__ == "__main__":
    main(sys.argv[1])
