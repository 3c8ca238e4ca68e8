"""Who is alive on this machine: each process holds a lock on a file of its own, which the kernel frees at any death.

So there is no timeout to choose and no heartbeat to miss: a turn whose owner's lock is free can be taken over at once,
and one whose owner is only slow, or stopped in a debugger, is never mistaken for dead.
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from pathlib import Path

if sys.platform == "win32":  # pragma: no cover - the tests run on Linux
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lifeline:
    """This process's own lock in `folder`; `owner` is the name under which it claims turns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.owner = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._fd = os.open(self._path(self.owner), os.O_CREAT | os.O_RDWR, 0o600)
        _lock(self._fd)

    def alive(self, owner: str) -> bool:
        """Return whether the process that named itself so still runs; this process counts as alive."""
        if owner == self.owner:
            return True
        try:
            fd = os.open(self._path(owner), os.O_RDWR)
        except OSError:
            return False
        try:
            _lock(fd)
        except OSError:
            return True
        else:
            self._path(owner).unlink(missing_ok=True)
            return False
        finally:
            os.close(fd)

    def close(self) -> None:
        """Let go: what this process left open can be taken over."""
        with contextlib.suppress(OSError):
            self._path(self.owner).unlink()
        os.close(self._fd)

    def _path(self, owner: str) -> Path:
        return self._folder / f"{Path(owner).name}.lock"
