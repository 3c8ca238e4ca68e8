"""Put bytes into a file: all of them or none, in place of the old ones only when those are still there."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from typing import Literal

from servers.files.charsets import UTF8, Charset, detected, line_end, looks_binary
from servers.files.errors import Conflict, Denied, Exists, Invalid, NotFound
from servers.files.folder import Folder, Opened, translated
from servers.files.naming import quoted
from servers.files.opening import CAREFUL, NO_FOLLOW, rename_new
from servers.files.patience import Patience
from servers.files.quota import MOST_PER_CALL, refuse_large
from servers.files.reading import SAMPLE, hash_of, whole

Mode = Literal["create", "overwrite", "append"]
SHORTEST_HASH = 12
"""Hex digits of a hash that are enough to compare by."""


@dataclass(frozen=True)
class Written:
    """What was written."""

    bytes: int
    sha256: str | None
    """Of the whole file as it is now; None when it is too large to be read for that."""
    created: bool


@dataclass(frozen=True)
class Before:
    """A file as it was when somebody looked, to be replaced only if it still is."""

    status: os.stat_result
    sample: bytes
    """Its first bytes; all of them when there are no more than one call may write."""
    sha256: str | None
    """The hash of its bytes, when there are no more than one call may write."""

    @functools.cached_property
    def charset(self) -> Charset:
        """The charset to write it in: its own, UTF-8 for what is no text."""
        if not self.sample or looks_binary(self.sample[:8192]):
            return UTF8
        return detected(self.sample, whole=len(self.sample) == self.status.st_size)


def write(
    folder: Folder, path: str, text: str, mode: Mode, if_sha256: str | None, mkdirs: bool, patience: Patience
) -> Written:
    """Write `text` to `path`. Raises `FilesError`.

    `create` never replaces; `overwrite` replaces the whole file at once and keeps its mode, charset and line ends;
    `append` adds at the end. `if_sha256` is the hash that the file must have before.
    """
    refuse_large(len(text))  # before it is encoded: no charset needs less than a byte for a letter
    with folder.changing, folder.parent(path, mkdirs=mkdirs) as (above, leaf):
        before = snapshot(above.fd, leaf, path, if_sha256, patience)
        if before is not None and mode == "create":
            raise Exists(f"{quoted(path)} is there already", "Use mode='overwrite' or fs_edit to change it.")
        raw = in_charset(text, UTF8) if before is None else encoded(text, before, mode)
        refuse_large(len(raw))
        folder.quota.take(len(raw))
        if before is not None and mode == "append":
            _append(above, leaf, before, raw, path)
            now = (
                hashlib.sha256(before.sample + raw).hexdigest() if len(before.sample) == before.status.st_size else None
            )
            return Written(len(raw), now, created=False)
        replace(above.fd, leaf, raw, before, path)
        return Written(len(raw), hashlib.sha256(raw).hexdigest(), created=before is None)


def snapshot(directory: int, leaf: str, path: str, if_sha256: str | None, patience: Patience) -> Before | None:
    """Return the file `leaf` as it is, or None when there is none and no hash was expected.

    Raises `FilesError` for what is no plain file of this folder alone (a link, a pipe, a file with a second name), and
    `Conflict` when it does not have the hash that the caller expects.
    """
    try:
        with translated(path):
            fd = os.open(leaf, os.O_RDONLY | NO_FOLLOW | CAREFUL, dir_fd=directory)
    except NotFound:
        if if_sha256 is None:
            return None
        raise
    try:
        status = os.fstat(fd)
        if stat.S_ISDIR(status.st_mode):
            raise Exists(f"{quoted(path)} is a folder", "Name a file.")
        if not stat.S_ISREG(status.st_mode):
            raise Invalid(f"{quoted(path)} is not a regular file", "Pipes, sockets and devices are not written.")
        if status.st_nlink > 1:
            raise Denied(f"{quoted(path)} has a second name elsewhere", "Copy it with fs_move and change the copy.")
        opened = Opened(fd, status, path)
        if status.st_size <= MOST_PER_CALL:
            raw = whole(opened, MOST_PER_CALL, patience)
            before = Before(status, raw, hashlib.sha256(raw).hexdigest())
        else:
            before = Before(status, os.pread(fd, SAMPLE, 0), hash_of(opened, patience) if if_sha256 else None)
        refuse_changed(before, if_sha256, path)
        return before
    finally:
        os.close(fd)


def refuse_changed(before: Before, if_sha256: str | None, path: str) -> None:
    """Raise `Conflict` when the file does not have the hash that the caller expects."""
    if if_sha256 is None or before.sha256 is None:
        return
    expected = if_sha256.strip().lower().removeprefix("sha256:").rstrip("…")
    if len(expected) < SHORTEST_HASH:
        raise Invalid("if_sha256 is too short", f"Give at least {SHORTEST_HASH} digits of what fs_read showed.")
    if not before.sha256.startswith(expected):
        raise Conflict(
            f"{quoted(path)} has changed: its sha256 is {before.sha256[:16]} now", "Read it again and redo the change."
        )


def encoded(text: str, before: Before, mode: Mode) -> bytes:
    """Return `text` as bytes in the charset and with the line ends of the file it goes into. Raises `Invalid`."""
    charset = before.charset
    if "\r" not in text and line_end(charset.decoded(before.sample, whole=True)[0]) == "CRLF":
        text = text.replace("\n", "\r\n")
    return in_charset(text, charset, start=mode != "append")


def in_charset(text: str, charset: Charset, *, start: bool = True) -> bytes:
    """Return `text` in `charset`. Raises `Invalid` when that cannot hold it."""
    try:
        return charset.encoded(text, start=start)
    except UnicodeEncodeError as error:
        letter = text[error.start : error.start + 1]
        if charset == UTF8:
            raise Invalid("the text holds half a surrogate pair, which no file can", "Leave it out.") from None
        raise Invalid(
            f"the file is in {charset.shown}, which has no U+{ord(letter):04X}",
            "Write it without, or delete the file and create it anew in UTF-8.",
        ) from None


def replace(directory: int, leaf: str, raw: bytes, before: Before | None, path: str) -> None:
    """Put `raw` in the place of `leaf` at once, or leave everything as it was. Raises `FilesError`.

    The new file is written and synced beside the old one, takes its mode, and is renamed over it.
    """
    beside = f".{secrets.token_hex(8)}.mcp-new"
    with translated(path):
        fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW | CAREFUL, 0o666, dir_fd=directory)
    try:
        try:
            with translated(path):
                write_all(fd, raw)
                if before is not None:
                    os.fchmod(fd, stat.S_IMODE(before.status.st_mode))
                os.fsync(fd)
        finally:
            os.close(fd)
        with translated(path):
            if before is None:
                rename_new(directory, beside, directory, leaf)
            else:
                _refuse_touched(directory, leaf, before, path)
                os.rename(beside, leaf, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=directory)
        raise


def write_all(fd: int, raw: bytes) -> None:
    """Write all of `raw`. Raises OSError."""
    view = memoryview(raw)
    while view:
        view = view[os.write(fd, view) :]


def _refuse_touched(directory: int, leaf: str, before: Before, path: str) -> None:
    now = os.stat(leaf, dir_fd=directory, follow_symlinks=False)
    then = before.status
    if (now.st_ino, now.st_dev, now.st_size, now.st_mtime_ns) != (
        then.st_ino,
        then.st_dev,
        then.st_size,
        then.st_mtime_ns,
    ):
        raise Conflict(f"another program has just changed {quoted(path)}", "Read it again and redo the change.")


def _append(above: Opened, leaf: str, before: Before, raw: bytes, path: str) -> None:
    with translated(path):
        fd = os.open(leaf, os.O_WRONLY | os.O_APPEND | NO_FOLLOW | CAREFUL, dir_fd=above.fd)
        try:
            now = os.fstat(fd)
            if (now.st_ino, now.st_dev, now.st_nlink) != (before.status.st_ino, before.status.st_dev, 1):
                raise Conflict(f"another program has just changed {quoted(path)}", "Try again.")
            try:
                write_all(fd, raw)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    os.ftruncate(fd, now.st_size)
                raise
        finally:
            os.close(fd)
