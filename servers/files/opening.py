"""Open a path strictly beneath a directory descriptor: what is opened lay inside, whoever renames meanwhile.

Two ways with one contract: `open_by_kernel` (Linux `openat2`, one call, links that stay inside are followed) and
`open_by_walk` (one component at a time, no link is followed at all), which serves where the kernel, its seccomp filter
or the system has no `openat2`. Source: openat2(2), `RESOLVE_BENEATH` and `RESOLVE_NO_MAGICLINKS`.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import Any

SYS_OPENAT2 = 437  # one number on every architecture of Linux that has the call, alpha apart
NO_MAGICLINKS, NO_SYMLINKS, BENEATH = 0x02, 0x04, 0x08
SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276, "riscv64": 276, "armv7l": 382, "ppc64le": 357, "s390x": 347}
RENAME_NOREPLACE = 1
TRIES = 128
"""How often a tree that is renamed while we resolve (EAGAIN) is tried again."""

CAREFUL = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Never inherited, never our terminal, and a FIFO does not hang the open."""
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
DIRECTORY = getattr(os, "O_DIRECTORY", 0)
PASSING = getattr(os, "O_PATH", os.O_RDONLY)
"""To stand on a directory without reading it; macOS has no O_PATH."""

Opener = Callable[[int, str, int, int], int]
"""`(directory descriptor, relative path, flags, mode) -> descriptor`. Raises OSError: EXDEV when the path leaves,
ELOOP when it goes through a link that is not followed, EAGAIN when the tree does not hold still."""


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def _c_library() -> Any:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


_C: Any = _c_library()


def _openat2(directory: int, path: str, flags: int, mode: int, resolve: int) -> int:
    how = _How(_allowed(flags), mode, resolve)
    name = os.fsencode(path)
    for _ in range(TRIES):
        fd: int = _C.syscall(SYS_OPENAT2, directory, name, ctypes.byref(how), ctypes.sizeof(how))
        if fd >= 0:
            return fd
        error = ctypes.get_errno()
        if error not in (errno.EAGAIN, errno.EINTR):
            raise OSError(error, os.strerror(error), path)
    raise OSError(errno.EAGAIN, "the tree keeps changing", path)


def _allowed(flags: int) -> int:
    """The flags to open with: careful ones, but for O_PATH, which opens nothing and takes none (EINVAL)."""
    return flags | (os.O_CLOEXEC if PASSING and flags & PASSING else CAREFUL)


def open_by_kernel(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Return a descriptor of `path` beneath `directory`; the kernel vouches that it lies there. See `Opener`."""
    refuse_unusable(path)
    return _openat2(directory, path or ".", flags, mode, BENEATH | NO_MAGICLINKS)


def open_without_links(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Return a descriptor as `open_by_kernel` does, or raise ELOOP when any part of `path` is a link."""
    refuse_unusable(path)
    return _openat2(directory, path or ".", flags, mode, BENEATH | NO_MAGICLINKS | NO_SYMLINKS)


def open_by_walk(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Return a descriptor of `path` beneath `directory`, opened one component at a time. See `Opener`."""
    refuse_unusable(path)
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EXDEV, "the path leaves its folder", path)
    here = os.dup(directory)
    try:
        for part in parts[:-1]:
            below = open_name(here, part, PASSING | DIRECTORY, 0)
            os.close(here)
            here = below
        return open_name(here, parts[-1] if parts else ".", _allowed(flags), mode)
    finally:
        os.close(here)


def open_name(directory: int, name: str, flags: int, mode: int = 0) -> int:
    """Return a descriptor of `name` in `directory`. Raises OSError, ELOOP when it is a link."""
    try:
        return os.open(name, flags | NO_FOLLOW | os.O_CLOEXEC, mode, dir_fd=directory)
    except NotADirectoryError:
        if _is_link(directory, name):
            raise OSError(errno.ELOOP, "a link", name) from None
        raise


def _is_link(directory: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except OSError:
        return False


def refuse_unusable(path: str) -> None:
    """Raise OSError (EINVAL) for what no opener accepts: a NUL, or a path that starts at the host's root."""
    if "\0" in path or path.startswith("/"):
        raise OSError(errno.EINVAL, "not a path beneath a folder", path)


def kernel_opens() -> bool:
    """Say whether `openat2` can be used here: asked by using it once, for a filter may forbid it (EPERM)."""
    if _C is None:
        return False
    try:
        here = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.close(_openat2(here, ".", PASSING | DIRECTORY | os.O_CLOEXEC, 0, BENEATH))
        finally:
            os.close(here)
    except OSError:
        return False
    return True


def best_opener() -> Opener:
    """Return the strongest opener that works here."""
    return open_by_kernel if kernel_opens() else open_by_walk


def rename_new(source: int, old: str, target: int, new: str) -> None:
    """Rename `old` in `source` to `new` in `target` and never replace anything.

    Raises FileExistsError when `new` is there. Where the system has no such call, files are linked and unlinked (also
    never replacing), and folders are looked up before they are renamed, which leaves a gap for a racing neighbour.
    """
    number = SYS_RENAMEAT2.get(os.uname().machine)
    if number is not None and _C is not None:
        done: int = _C.syscall(number, source, os.fsencode(old), target, os.fsencode(new), RENAME_NOREPLACE)
        if done == 0:
            return
        error = ctypes.get_errno()
        if error not in (errno.ENOSYS, errno.EINVAL, errno.EPERM):
            raise OSError(error, os.strerror(error), new)
    try:
        os.link(old, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    except PermissionError:  # a folder cannot be linked
        if _is_there(target, new):
            raise FileExistsError(errno.EEXIST, "there already", new) from None
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=target)
        return
    os.unlink(old, dir_fd=source)


def _is_there(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
