"""What `.gitignore` files leave out, as git reads them: the nearest file decides, a `!` takes back."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from servers.files.globs import re2

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LARGEST = 64 * 1024
"""Bytes of one `.gitignore`; what stands after them is not read."""
LONGEST = 500
"""Characters of a rule; a longer one is no rule."""


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
        spec = _spec(text)
        prefix = f"{directory}/" if directory else ""
        return Ignoring((*self.rules, (prefix, spec))) if spec is not None else self

    def leaves_out(self, path: str, *, is_directory: bool) -> bool:
        """Say whether `path` (relative to the top) is ignored by the rules here; its parents are not looked at."""
        for prefix, spec in reversed(self.rules):
            seen = path[len(prefix) :].encode(errors="replace").decode()
            verdict = spec.check_file(seen + ("/" if is_directory else ""))
            if verdict.include is not None:
                return verdict.include
        return False


def _spec(text: str) -> GitIgnoreSpec | None:
    from pathspec import GitIgnoreSpec  # 40 ms, and most folders have no .gitignore

    try:
        return GitIgnoreSpec.from_lines([line for line in text.split("\n") if len(line) <= LONGEST])
    except (ValueError, re2.error):  # rules that no git takes either, or too many to hold at once
        return None


def _read(fd: int) -> str:
    try:
        file = os.open(".gitignore", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return os.read(file, LARGEST).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(file)
