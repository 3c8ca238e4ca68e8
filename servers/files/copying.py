"""Copy a file, or a folder with all that is in it: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from dataclasses import dataclass

from servers.files.errors import Invalid, TooLarge
from servers.files.folder import Folder, Opened, translated
from servers.files.moving import hold, replaceable
from servers.files.opening import CAREFUL, DIRECTORY, NO_FOLLOW, PASSING, rename_new
from servers.files.patience import Patience
from servers.files.protected import refuse_reading, refuse_writing
from servers.files.served import Place
from servers.files.writing import write_all

MOST_ENTRIES = 2_000
"""Entries of a folder that one call copies."""
DEEPEST = 64
STEP = 1024 * 1024


def copy(source: Place, target: Place, *, overwrite: bool, patience: Patience) -> int:
    """Copy `source` to `target` and return how many entries that were. Raises `FilesError`.

    The copy grows beside its place and is renamed into it at the end. Links in a folder are not copied; a protected
    name in it refuses the whole.
    """
    with contextlib.ExitStack() as stack:
        hold(stack, target.folder)
        opened = stack.enter_context(source.folder.anything(source.path))
        into, new = stack.enter_context(target.folder.parent(target.path))
        replaced = replaceable(into.fd, new, target.path, opened.status, overwrite=overwrite)
        beside = f".{secrets.token_hex(8)}.mcp-new"
        copying = _Copying(source.folder, target.folder, patience)
        try:
            copying.add(opened, target.path, into.fd, beside, DEEPEST)
            with translated(target.path):
                if replaced:
                    os.rename(beside, new, src_dir_fd=into.fd, dst_dir_fd=into.fd)
                else:
                    rename_new(into.fd, beside, into.fd, new)
        except BaseException:
            _remove(into.fd, beside)
            raise
        return copying.entries


def _remove(directory: int, leaf: str) -> None:
    with contextlib.suppress(OSError):
        if stat.S_ISDIR(os.stat(leaf, dir_fd=directory, follow_symlinks=False).st_mode):
            shutil.rmtree(leaf, dir_fd=directory)
        else:
            os.unlink(leaf, dir_fd=directory)


@dataclass
class _Copying:
    """One copy on its way."""

    source: Folder
    target: Folder
    patience: Patience
    entries: int = 0

    def add(self, opened: Opened, path: str, into: int, leaf: str, depth: int) -> None:
        """Copy what is opened to `leaf` in the directory `into`; `path` is where it will lie in the end."""
        refuse_reading(self.source.rules, opened.path)
        refuse_writing(self.target.rules, path)
        self.patience.check()
        self.entries += 1
        if self.entries > MOST_ENTRIES or depth <= 0:
            raise TooLarge(f"the folder holds more than {MOST_ENTRIES} entries or is too deep", "Copy it in parts.")
        if stat.S_ISDIR(opened.status.st_mode):
            self._add_folder(opened, path, into, leaf, depth)
        elif stat.S_ISREG(opened.status.st_mode):
            self._add_file(opened, path, into, leaf)
        else:
            raise Invalid("only files and folders are copied", "Pipes, sockets and devices are left alone.")

    def _add_folder(self, opened: Opened, path: str, into: int, leaf: str, depth: int) -> None:
        with translated(path):
            os.mkdir(leaf, 0o777, dir_fd=into)
            below = os.open(leaf, PASSING | DIRECTORY | NO_FOLLOW | os.O_CLOEXEC, dir_fd=into)
        try:
            with translated(path), os.scandir(opened.fd) as found:
                names = [entry.name for entry in found if not entry.is_symlink()]
            for name in names:
                inner = f"{opened.path}/{name}" if opened.path else name
                with translated(inner):
                    fd = os.open(name, os.O_RDONLY | NO_FOLLOW | CAREFUL, dir_fd=opened.fd)
                try:
                    self.add(Opened(fd, os.fstat(fd), inner), f"{path}/{name}", below, name, depth - 1)
                finally:
                    os.close(fd)
        finally:
            os.close(below)

    def _add_file(self, opened: Opened, path: str, into: int, leaf: str) -> None:
        self.target.quota.take(opened.status.st_size)
        with translated(path):
            fd = os.open(leaf, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | CAREFUL, 0o666, dir_fd=into)
            try:
                at = 0
                while piece := os.pread(opened.fd, STEP, at):
                    write_all(fd, piece)
                    at += len(piece)
                    self.patience.check()
                os.fchmod(fd, stat.S_IMODE(opened.status.st_mode) & 0o777)
                os.fsync(fd)
            finally:
                os.close(fd)
