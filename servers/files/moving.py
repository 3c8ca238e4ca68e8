"""Give things another name, and put them into the trash: never over something unless that is said."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from dataclasses import dataclass

from servers.files.errors import Denied, Exists, Invalid
from servers.files.folder import Folder, Opened, translated
from servers.files.naming import quoted
from servers.files.opening import CAREFUL, DIRECTORY, NO_FOLLOW, PASSING, open_name, rename_new
from servers.files.patience import Patience
from servers.files.protected import Protection
from servers.files.served import Place

TRASH = ".trash"
"""The folder at the top of each served one that keeps what was deleted."""
MOST_COUNTED = 10_000
"""Entries of a folder that are counted before it is deleted."""
MOST_WAITING = 200
"""Folders that are held open meanwhile."""


@dataclass(frozen=True)
class Deleted:
    """What was deleted."""

    entries: int
    """Files and folders, itself included; as far as they were counted."""
    trash_path: str | None
    """Where it lies now, relative to its folder; None when it is gone for good."""


def move(source: Place, target: Place, *, overwrite: bool) -> None:
    """Rename `source` to `target`, in the same or another folder. Raises `FilesError`.

    `overwrite` replaces a file, never a folder. What lies in the trash may be moved out of it.
    """
    with contextlib.ExitStack() as stack:
        hold(stack, source.folder, target.folder)
        out, old = stack.enter_context(source.folder.parent(source.path, rules=_rules(source)))
        into, new = stack.enter_context(target.folder.parent(target.path))
        status = _movable(out.fd, old, source.path)
        replaced = replaceable(into.fd, new, target.path, status, overwrite=overwrite)
        try:
            with translated(target.path):
                if replaced:
                    os.rename(old, new, src_dir_fd=out.fd, dst_dir_fd=into.fd)
                else:
                    rename_new(out.fd, old, into.fd, new)
        except Exception as error:
            if not _is(error, errno.EXDEV):
                raise
            raise Invalid("the two folders are on different disks", "Copy it with copy=true, then delete it.") from None


def delete(place: Place, *, recursive: bool, keep: bool, patience: Patience) -> Deleted:
    """Delete a file or a folder: into the trash with `keep`, otherwise for good. Raises `FilesError`.

    A folder that is not empty needs `recursive`.
    """
    with place.folder.changing, place.folder.parent(place.path) as (above, leaf):
        status = _movable(above.fd, leaf, place.path)
        entries = 1
        if stat.S_ISDIR(status.st_mode):
            entries += _counted(above.fd, leaf, patience)
            if entries > 1 and not recursive:
                raise Invalid(
                    f"{quoted(place.path)} holds {entries - 1} entries", "Set recursive=true to delete them too."
                )
        if keep:
            return Deleted(entries, _to_trash(place, above, leaf))
        with translated(place.path):
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(leaf, dir_fd=above.fd)
            else:
                os.unlink(leaf, dir_fd=above.fd)
        return Deleted(entries, None)


def _rules(source: Place) -> Protection:
    """The rules for taking something away: the trash is open for that."""
    rules = source.folder.rules
    return Protection((*rules.allowed, TRASH)) if source.path.startswith(TRASH + "/") else rules


def hold(stack: contextlib.ExitStack, *folders: Folder) -> None:
    """Take the locks of `folders`, in one order for everybody."""
    for folder in sorted({id(folder): folder for folder in folders}.values(), key=id):
        stack.enter_context(folder.changing)


def _is(error: BaseException, number: int) -> bool:
    cause = error.__context__
    return isinstance(cause, OSError) and cause.errno == number


def _movable(directory: int, leaf: str, path: str) -> os.stat_result:
    with translated(path):
        status = os.stat(leaf, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        raise Denied(f"{quoted(path)} is a link", "Name what it points to, if that is in a served folder.")
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise Invalid(f"{quoted(path)} is not a regular file", "Pipes, sockets and devices are left alone.")
    return status


def replaceable(directory: int, leaf: str, path: str, by: os.stat_result, *, overwrite: bool) -> bool:
    """Say whether something is there that may be replaced. Raises `Exists` when it may not."""
    try:
        there = os.stat(leaf, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    if not overwrite:
        raise Exists(f"{quoted(path)} is there already", "Choose another name, or set overwrite=true.")
    if not stat.S_ISREG(there.st_mode) or not stat.S_ISREG(by.st_mode):
        raise Exists(f"{quoted(path)} is there already", "Only a file replaces a file: choose another name.")
    return True


def _counted(directory: int, leaf: str, patience: Patience) -> int:
    """How many entries a folder holds, counted up to `MOST_COUNTED`."""
    with translated(leaf):
        waiting = [os.open(leaf, os.O_RDONLY | DIRECTORY | NO_FOLLOW | CAREFUL, dir_fd=directory)]
    count = 0
    while waiting:
        fd = waiting.pop()
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    count += 1
                    if count >= MOST_COUNTED or patience.over:
                        break
                    if entry.is_dir(follow_symlinks=False) and len(waiting) < MOST_WAITING:
                        with contextlib.suppress(OSError):
                            flags = os.O_RDONLY | DIRECTORY | NO_FOLLOW | CAREFUL
                            waiting.append(os.open(entry.name, flags, dir_fd=fd))
        finally:
            os.close(fd)
        if count >= MOST_COUNTED or patience.over:
            while waiting:
                os.close(waiting.pop())
    return count


def _to_trash(place: Place, above: Opened, leaf: str) -> str:
    """Move `leaf` into the trash, to the same path below a folder of its own; returns where it lies."""
    stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(4)}"
    parts = [TRASH, stamp, *(above.path.split("/") if above.path else [])]
    here = os.dup(place.folder.fd)
    try:
        for part in parts:
            with translated(TRASH):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=here)
                below = open_name(here, part, PASSING | DIRECTORY)
            os.close(here)
            here = below
        with translated(place.path):
            rename_new(above.fd, leaf, here, leaf)
    finally:
        os.close(here)
    return "/".join([*parts, leaf])
