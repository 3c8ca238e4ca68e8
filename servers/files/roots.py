"""Which folders are served, as the operator writes them: `[NAME=]PATH[:rw]`."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NAMED = re.compile(r"^([A-Za-z][A-Za-z0-9_-]{0,31})=(.+)$", re.DOTALL)
_HOMES = ("/home", "/Users")
_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/boot", "/etc")


class BadRoot(Exception):
    """A folder that is not served; the text says why and what to write instead."""


@dataclass(frozen=True)
class Root:
    """One folder to serve."""

    name: str
    path: str
    """Absolute, links resolved; never shown to a caller."""
    asked: str
    """Absolute as the operator wrote it; callers may spell paths below it."""
    writable: bool = False


def parse_roots(texts: Sequence[str]) -> tuple[Root, ...]:
    """Return the folders that `texts` ask for; without any, the current folder, for reading. Raises `BadRoot`."""
    if os.open not in os.supports_dir_fd:
        raise BadRoot("This system has no directory descriptors to stand on: run it in WSL or in a container.")
    roots = tuple(parse_root(text) for text in texts or ["."])
    names = [root.name for root in roots]
    for name in names:
        if names.count(name) > 1:
            raise BadRoot(f"Two folders are called {name!r}: give one another name, as in `other={name}`.")
    return roots


def parse_root(text: str) -> Root:
    """Return the folder that `text` (`[NAME=]PATH[:rw]`) asks for. Raises `BadRoot` when it is not to be served."""
    named = _NAMED.match(text)
    name, path = (named[1], named[2]) if named else ("", text)
    path, writable = (path[:-3], path.endswith(":rw")) if path.endswith((":rw", ":ro")) else (path, False)
    asked = os.path.abspath(os.path.expanduser(path))
    real = os.path.realpath(asked)
    if not os.path.isdir(real):
        raise BadRoot(f"No folder at {path!r}: name a folder that exists, as `[NAME=]PATH[:rw]`.")
    refuse_broad(real)
    return Root(name or _name_for(real), real, asked, writable)


def refuse_broad(real: str) -> None:
    """Raise `BadRoot` for a folder that holds more than anyone means to serve: `/`, home folders, the system's."""
    home = os.path.realpath(os.path.expanduser("~"))
    if real in ("/", home, *_HOMES):
        what = "the whole machine" if real == "/" else "the home folder" if real == home else "all home folders"
        raise BadRoot(f"Will not serve {what}: name a folder below it, such as `mcp-files ~/Documents`.")
    if any(real == place or real.startswith(place + "/") for place in _SYSTEM):
        raise BadRoot("Will not serve a folder of the system itself: name a folder with documents.")


def refuse_secrets(roots: Sequence[Root], files: Sequence[Path]) -> None:
    """Raise `BadRoot` for a folder that holds one of `files`: whoever reads it could call as anybody."""
    for file in files:
        real = os.path.realpath(file)
        for root in roots:
            if real.startswith(root.path + "/"):
                raise BadRoot(
                    f"The folder {root.name!r} holds {file.name!r}, a secret of this server: keep it elsewhere."
                )


def _name_for(real: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", os.path.basename(real)).strip("-")[:32]
    return name if name[:1].isalpha() else f"folder-{name}".rstrip("-")[:32]
