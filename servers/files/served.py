"""All folders of one server, and which of them a path is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from servers.files.errors import Denied, Invalid
from servers.files.folder import Folder
from servers.files.naming import quoted, relative, shown

_NAMED = re.compile(r"^([A-Za-z][A-Za-z0-9_-]{0,31}):/(.*)$", re.DOTALL)


@dataclass(frozen=True)
class Place:
    """A path in a folder; nothing need be there."""

    folder: Folder
    path: str
    """Relative to the folder; `""` is the folder itself."""


@dataclass(frozen=True)
class Served:
    """The folders of one server."""

    folders: tuple[Folder, ...]

    @property
    def names(self) -> list[str]:
        """The names of the folders, in the operator's order."""
        return [folder.name for folder in self.folders]

    def place(self, path: str) -> Place:
        """Return what the caller means by `path`. Raises `FilesError` when that is in no folder."""
        if (named := self._named(path)) is not None:
            return named
        if len(self.folders) == 1:
            return Place(self.folders[0], relative(path))
        raise Invalid(f"{quoted(path)} does not say in which folder", f"Begin with one of {self._beginnings()}.")

    def places(self, path: str) -> Sequence[Place]:
        """Return what is meant by `path`, where `.` may mean every folder there is."""
        if len(self.folders) > 1 and path in ("", ".", "./"):
            return [Place(folder, "") for folder in self.folders]
        return [self.place(path)]

    def shown(self, folder: Folder, path: str) -> str:
        """Return the virtual path of `path` (relative to `folder`), as every result gives it."""
        if len(self.folders) == 1:
            return shown(path) or "."
        return f"{folder.name}:/{shown(path)}"

    def all_shown(self, folder: Folder, paths: Sequence[str]) -> list[str]:
        """Return the virtual paths of `paths`: the same as `shown` of each, at a fraction of its price."""
        if "" in paths or not "".join(paths).isprintable():
            return [self.shown(folder, path) for path in paths]
        return list(paths) if len(self.folders) == 1 else [f"{folder.name}:/{path}" for path in paths]

    def _named(self, path: str) -> Place | None:
        if match := _NAMED.match(path):
            for folder in self.folders:
                if folder.name == match[1]:
                    return Place(folder, relative(match[2]))
        if not path.startswith("/"):
            return None
        for folder in self.folders:
            for host in folder.hosts:
                if path == host or path.startswith(host.rstrip("/") + "/"):
                    return Place(folder, relative(path[len(host) :]))
        raise Denied("the path is outside the served folders", f"Paths begin with one of {self._beginnings()}.")

    def _beginnings(self) -> str:
        if len(self.folders) == 1:
            return "the names that fs_list shows"
        return ", ".join(f"{name}:/" for name in self.names)
