"""The files server: some folders, as tools and resources of the Model Context Protocol."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec

from servers.files.folder import Folder
from servers.files.opening import kernel_opens
from servers.files.protected import Protection
from servers.files.protocol.confirming import Asking, Policy
from servers.files.protocol.files_server import FilesServer
from servers.files.protocol.reading_tools import add_reading_tools
from servers.files.protocol.watching import Watching
from servers.files.protocol.writing_tools import add_writing_tools
from servers.files.quota import MEGABYTE, USUAL, Quota
from servers.files.roots import BadRoot, Root, parse_roots, refuse_secrets
from servers.files.served import Served
from servers.serving import CannotServe, Program

PATHS_OF_ONE = "Paths are relative to the folder {name!r}, such as `notes/tea.md`; `.` is the folder."
PATHS_OF_MANY = "Paths begin with the folder, such as `{name}:/notes/tea.md`; `.` lists the folders: {names}."
HINTS = "Look with fs_search before reading much. Long answers come in pages: go on with what `next` says."


def build(
    roots: Sequence[str] = (),
    *,
    allow: Sequence[str] = (),
    confirm: Policy = "ask",
    trash: bool = True,
    quota: int = USUAL,
    watch: bool = False,
    keys: Sequence[bytes] = (),
) -> FilesServer:
    """Return a server for the folders `roots`, each `[NAME=]PATH[:rw]`; without any, the current one for reading.

    Raises: `BadRoot` for a folder that is not served.
    """
    served = open_served(parse_roots(roots), Protection(tuple(allow)), quota)
    first = served.folders[0].name
    about = PATHS_OF_ONE if len(served.folders) == 1 else PATHS_OF_MANY
    instructions = f"{about.format(name=first, names=', '.join(served.names))} {HINTS}"
    watching = Watching(served) if watch else None
    server = FilesServer(served, instructions=instructions, keys=keys, watching=watching)
    add_reading_tools(server, served)
    if any(folder.writable for folder in served.folders):
        add_writing_tools(server, served, Asking(confirm), keep=trash)
    return server


def open_served(roots: Sequence[Root], rules: Protection, quota: int) -> Served:
    """Return `roots`, opened, each with `quota` bytes to write. Raises `BadRoot` when one cannot be opened."""
    try:
        return Served(tuple(Folder.at(root, rules, Quota(quota)) for root in roots))
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
    line.add_argument(
        "--confirm",
        choices=["ask", "allow", "deny"],
        default="ask",
        help="before something is replaced or deleted: ask the user through the client (refused where it cannot ask), "
        "or allow or deny it without asking",
    )
    line.add_argument("--no-trash", action="store_true", help="delete for good, not into .trash of the folder")
    line.add_argument(
        "--quota", type=int, default=USUAL // MEGABYTE, metavar="MB", help="what may be written into each folder"
    )
    line.add_argument("--watch", action="store_true", help="tell clients which files change (needs watchfiles)")


def _build(options: argparse.Namespace) -> FilesServer:
    if options.quota < 0:
        raise CannotServe("--quota takes megabytes, 0 or more.")
    if options.watch and find_spec("watchfiles") is None:
        raise CannotServe("--watch needs the package watchfiles: install it, or leave --watch out.")
    try:
        refuse_secrets(parse_roots(options.roots), getattr(options, "secret_files", ()))
        return build(
            options.roots,
            allow=options.allow,
            confirm=options.confirm,
            trash=not options.no_trash,
            quota=options.quota * MEGABYTE,
            watch=options.watch,
            keys=getattr(options, "state_keys", ()),
        )
    except BadRoot as refusal:
        raise CannotServe(str(refusal)) from None


def _posture(options: argparse.Namespace) -> dict[str, object]:
    """What `--check` says about these options; no path of the host beyond what the operator wrote."""
    roots = parse_roots(options.roots)
    return {
        "folders": [{"name": root.name, "writable": root.writable} for root in roots],
        "boundary": "openat2" if kernel_opens() else "walk",
        "confirm": options.confirm,
        "trash": not options.no_trash,
        "quota_mb": options.quota,
        "opened_names": list(options.allow),
        "watch": options.watch,
    }


PROGRAM = Program(
    name="files",
    summary="Serve folders to an MCP client: list, read, search, and change what is writable.",
    add_options=_add_options,
    build=_build,
    posture=_posture,
)
