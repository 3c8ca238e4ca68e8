"""The files server: some folders, as tools and resources of the Model Context Protocol."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from servers.files.folder import Folder
from servers.files.protected import Protection
from servers.files.protocol.reading_tools import add_reading_tools
from servers.files.roots import BadRoot, Root, parse_roots
from servers.files.served import Served
from servers.serving import CannotServe, Program
from servers.toolserver import ToolServer

PATHS_OF_ONE = "Paths are relative to the folder {name!r}, such as `notes/tea.md`; `.` is the folder."
PATHS_OF_MANY = "Paths begin with the folder, such as `{name}:/notes/tea.md`; `.` lists the folders: {names}."
HINTS = "Look with fs_search before reading much. Long answers come in pages: go on with what `next` says."


def build(
    roots: Sequence[str] = (),
    *,
    allow: Sequence[str] = (),
    keys: Sequence[bytes] = (),
) -> ToolServer[Any]:
    """Return a server for the folders `roots`, each `[NAME=]PATH[:rw]`; without any, the current one for reading.

    Raises: `BadRoot` for a folder that is not served.
    """
    served = open_served(parse_roots(roots), Protection(tuple(allow)))
    first = served.folders[0].name
    about = PATHS_OF_ONE if len(served.folders) == 1 else PATHS_OF_MANY
    instructions = f"{about.format(name=first, names=', '.join(served.names))} {HINTS}"
    server: ToolServer[Any] = ToolServer("files", title="Files", instructions=instructions, keys=keys)
    add_reading_tools(server, served)
    return server


def open_served(roots: Sequence[Root], rules: Protection) -> Served:
    """Return `roots`, opened. Raises `BadRoot` when one of them cannot be opened."""
    try:
        return Served(tuple(Folder.at(root, rules) for root in roots))
    except OSError as error:
        raise BadRoot(f"A folder cannot be opened ({error.strerror}): check that this user may read it.") from None


def _add_options(line: argparse.ArgumentParser) -> None:
    line.add_argument(
        "roots",
        nargs="*",
        metavar="[NAME=]PATH[:rw]",
        help="a folder to serve, for reading unless it ends in :rw; the current folder if none is given",
    )
    line.add_argument(
        "--allow", action="append", default=[], metavar="NAME", help="open a protected name again, e.g. '.env.test'"
    )


def _build(options: argparse.Namespace) -> ToolServer[Any]:
    try:
        return build(options.roots, allow=options.allow, keys=getattr(options, "state_keys", ()))
    except BadRoot as refusal:
        raise CannotServe(str(refusal)) from None


PROGRAM = Program(
    name="files",
    summary="Serve folders to an MCP client: list, read, search, and change what is writable.",
    add_options=_add_options,
    build=_build,
)
