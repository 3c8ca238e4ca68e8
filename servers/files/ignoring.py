"""What `.gitignore` files leave out, as git reads them: the nearest file decides, a `!` takes back."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LARGEST = 256 * 1024
"""Bytes of one `.gitignore`; what stands after them is not read."""


@dataclass(frozen=True)
class Ignoring:
    """The rules of the `.gitignore` files from a folder's top down to one directory."""

    rules: tuple[tuple[str, GitIgnoreSpec], ...] = ()
    """`(directory with a final slash, or "" for the top; what it leaves out)`, the deepest last."""

    def beneath(self, directory: str, fd: int) -> Ignoring:
        """Return the rules for what is in `directory` (relative to the top), whose descriptor is `fd`."""
        text = _read(fd)
        if not text:
            return self
        from pathspec import GitIgnoreSpec  # 40 ms, and most folders have no .gitignore

        prefix = f"{directory}/" if directory else ""
        return Ignoring((*self.rules, (prefix, GitIgnoreSpec.from_lines(text.splitlines()))))

    def leaves_out(self, path: str, *, is_directory: bool) -> bool:
        """Say whether `path` (relative to the top) is ignored by the rules here; its parents are not looked at."""
        for prefix, spec in reversed(self.rules):
            verdict = spec.check_file(path[len(prefix) :] + ("/" if is_directory else ""))
            if verdict.include is not None:
                return verdict.include
        return False


def _read(fd: int) -> str:
    try:
        file = os.open(".gitignore", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return os.read(file, LARGEST).decode(errors="surrogateescape")
    except OSError:
        return ""
    finally:
        os.close(file)
