"""One served folder: the only room through which the files server touches the disk.

Every path goes through a descriptor of the folder and an opener that cannot leave it, never through a path of the host
that was checked before. What is opened is looked at afterwards: regular files only, and no protected name, whatever
link led there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Generator
from dataclasses import dataclass, field

from servers.files.errors import Conflict, Denied, Exists, FilesError, Invalid, NotFound, Unavailable
from servers.files.mounts import is_local
from servers.files.naming import quoted, refuse_impossible, spellings
from servers.files.opening import DIRECTORY, PASSING, Opener, best_opener, open_by_kernel, open_without_links
from servers.files.protected import Protection, looks_like_git, refuse_reading, refuse_writing
from servers.files.quota import Quota
from servers.files.roots import Root


@dataclass(frozen=True)
class Opened:
    """A descriptor, what it is, and where in the folder it really lies."""

    fd: int
    status: os.stat_result
    path: str
    """Relative to the folder, links resolved."""


@dataclass(frozen=True)
class Folder:
    """A served folder, open from start to end of the program. Blocking, and safe from several threads."""

    name: str
    fd: int
    writable: bool = False
    hosts: tuple[str, ...] = field(default=(), repr=False)
    """The folder's own paths on the host: understood when a caller spells them, never shown."""
    rules: Protection = field(default_factory=Protection)
    quota: Quota = field(default_factory=Quota)
    local: bool = False
    """Whether the disk answers at once: then a small file is read without a thread."""
    opener: Opener = field(default_factory=best_opener, repr=False)
    changing: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held while something is changed: two calls never interleave their check and their act."""

    @classmethod
    def at(
        cls, root: Root, rules: Protection | None = None, quota: Quota | None = None, opener: Opener | None = None
    ) -> Folder:
        """Return the folder at `root`, opened. Raises OSError when that cannot be."""
        fd = os.open(root.path, os.O_RDONLY | DIRECTORY | os.O_CLOEXEC)
        hosts = (root.path, root.asked)
        rules, quota = rules or Protection(), quota or Quota()
        return cls(root.name, fd, root.writable, hosts, rules, quota, is_local(root.path), opener or best_opener())

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    @contextlib.contextmanager
    def file(self, path: str) -> Generator[Opened]:
        """Open a regular file for reading. Raises `FilesError`."""
        with self.anything(path) as opened:
            if stat.S_ISDIR(opened.status.st_mode):
                raise Invalid(f"{quoted(path)} is a folder", "Use fs_list to see what it holds.")
            if not stat.S_ISREG(opened.status.st_mode):
                raise Invalid(f"{quoted(path)} is not a regular file", "Pipes, sockets and devices are not read.")
            yield opened

    @contextlib.contextmanager
    def directory(self, path: str) -> Generator[Opened]:
        """Open a directory for reading. Raises `FilesError`."""
        with self.anything(path) as opened:
            if not stat.S_ISDIR(opened.status.st_mode):
                raise Invalid(f"{quoted(path)} is not a folder", "Use fs_read or fs_info for a file.")
            yield opened

    @contextlib.contextmanager
    def anything(self, path: str) -> Generator[Opened]:
        """Open whatever has this name, for reading, without ever waiting for it. Raises `FilesError`."""
        refuse_reading(self.rules, path)
        fd, real = self._open(path, os.O_RDONLY)
        try:
            refuse_reading(self.rules, real)
            yield Opened(fd, os.fstat(fd), real)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def parent(
        self, path: str, *, mkdirs: bool = False, rules: Protection | None = None
    ) -> Generator[tuple[Opened, str]]:
        """Open the directory that `path` is in, to change something there; yields it and the last part of the name.

        `mkdirs` creates the directories that are missing on the way; `rules` hold instead of the folder's own. Raises
        `FilesError`, also for protected names.
        """
        rules = rules or self.rules
        if not self.writable:
            raise Denied(f"the folder {self.name!r} is served for reading", "Only the operator can change that.")
        above, _, leaf = path.rpartition("/")
        if not leaf:
            raise Denied("that is the served folder itself", "Name something in it.")
        refuse_writing(rules, path)
        if mkdirs:
            self._make_directories(above)
        fd, real = self._open(above, PASSING | DIRECTORY)
        try:
            refuse_writing(rules, f"{real}/{leaf}" if real else leaf)
            self._refuse_repository(fd, real, leaf)
            yield Opened(fd, os.fstat(fd), real), leaf
        finally:
            os.close(fd)

    def _make_directories(self, path: str) -> None:
        with contextlib.suppress(NotFound):
            fd, _ = self._open(path, PASSING | DIRECTORY)
            os.close(fd)
            return
        above, _, leaf = path.rpartition("/")
        self._make_directories(above)
        fd, real = self._open(above, PASSING | DIRECTORY)
        try:
            refuse_writing(self.rules, f"{real}/{leaf}" if real else leaf)
            self._refuse_repository(fd, real, leaf)
            with translated(path), contextlib.suppress(FileExistsError):
                os.mkdir(leaf, 0o777, dir_fd=fd)
        finally:
            os.close(fd)

    def _refuse_repository(self, fd: int, real: str, leaf: str) -> None:
        """Refuse to write into, or to complete, a folder that git would obey without a `.git` around it."""
        inside = looks_like_git(fd, leaf)
        parts = real.split("/") if real else []
        for count in range(len(parts) - 1, 0, -1):
            if inside:
                break
            with contextlib.suppress(OSError):
                above = self.opener(self.fd, "/".join(parts[:count]), PASSING | DIRECTORY, 0)
                try:
                    inside = looks_like_git(above)
                finally:
                    os.close(above)
        if inside:
            raise Denied("this is the inside of a git repository", "Programs obey its config; leave it to git.")

    def _open(self, path: str, flags: int) -> tuple[int, str]:
        """Open `path` in the first of its spellings that exists; the descriptor, and where it really lies."""
        refuse_impossible(path)
        for spelling in spellings(path):
            with contextlib.suppress(NotFound), translated(path):
                if self.opener is not open_by_kernel:
                    return self.opener(self.fd, spelling, flags, 0), spelling
                return self._open_by_kernel(spelling, flags)
        raise NotFound(f"nothing is called {quoted(path)}", "Use fs_list to see the names.")

    def _open_by_kernel(self, path: str, flags: int) -> tuple[int, str]:
        try:
            return open_without_links(self.fd, path, flags), path
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
        fd = open_by_kernel(self.fd, path, flags)
        try:
            return fd, self._place_of(fd)
        except BaseException:
            os.close(fd)
            raise

    def _place_of(self, fd: int) -> str:
        """Where a descriptor lies in this folder, as the kernel says. Raises EXDEV when it cannot say so."""
        above, real = os.readlink(f"/proc/self/fd/{self.fd}"), os.readlink(f"/proc/self/fd/{fd}")
        if real == above:
            return ""
        if not real.startswith(above.rstrip("/") + "/"):
            raise OSError(errno.EXDEV, "the path leaves its folder")
        return real[len(above.rstrip("/")) + 1 :]


_LEAVES = (errno.EXDEV, errno.ELOOP)


@contextlib.contextmanager
def translated(path: str) -> Generator[None]:
    """Turn what the system says about `path` into a `FilesError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise _failure(error, quoted(path)) from None


def _failure(error: OSError, name: str) -> FilesError:
    number = error.errno or 0
    if number in _LEAVES:
        return Denied(f"{name} is a link that is not followed", "Only what lies in the served folders can be reached.")
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"nothing is called {name}", "Use fs_list to see the names.")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return Denied(f"the system does not let this server touch {name}", "Ask the user to change its permissions.")
    if number in (errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR):
        return Exists(f"{name} is there already", "Choose another name, or say that it may be replaced.")
    if number in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
        return Invalid(f"no file can be called {name}", "Give the path as it was listed.")
    if number in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):
        return Invalid(f"{name} is not a regular file", "Pipes, sockets and devices are not read.")
    if number in (errno.EAGAIN, errno.EBUSY, errno.ETXTBSY, errno.ESTALE):
        return Conflict(f"{name} is being changed by another program", "Try again in a moment.")
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return Unavailable("the disk is full", "Ask the user to make room.")
    return Unavailable(f"the disk could not be used ({errno.errorcode.get(number, number)})", "Try again later.")
