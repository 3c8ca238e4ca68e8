"""What is known about a file, at the price of a look and not of a reading."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from servers.files.charsets import detected
from servers.files.folder import Folder
from servers.files.media import mime_of
from servers.files.patience import Patience
from servers.files.reading import SAMPLE, WHOLE, hash_of, is_binary
from servers.files.walking import Kind


@dataclass(frozen=True)
class Look:
    """What is known about a file or a folder."""

    kind: Kind
    size: int
    mtime: float
    mode: str
    """Permissions in octal, such as `0644`."""
    mime: str | None = None
    charset: str | None = None
    lines: int | None = None
    """Counted only in files that are read in one go."""
    sha256: str | None = None


def look(folder: Folder, path: str, patience: Patience, *, with_hash: bool = False) -> Look:
    """Return what is known about `path`; a pipe or a device is only named, never opened for reading its content.

    Raises `FilesError` when nothing is there or it lies outside.
    """
    with folder.anything(path) as opened:
        status = opened.status
        kind: Kind = "dir" if stat.S_ISDIR(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        if kind != "file":
            return Look(kind, 0, status.st_mtime, mode)
        sample = os.pread(opened.fd, SAMPLE, 0)
        binary = is_binary(opened)
        charset = None if binary else detected(sample, whole=len(sample) == status.st_size)
        lines = None
        if charset is not None and not charset.wide and status.st_size <= WHOLE:
            raw = sample if len(sample) == status.st_size else os.pread(opened.fd, WHOLE, 0)
            lines = raw.count(b"\n") + (bool(raw) and not raw.endswith(b"\n"))
        return Look(
            kind,
            status.st_size,
            status.st_mtime,
            mode,
            mime_of(opened.path, sample[:16], binary=binary),
            charset.shown if charset else None,
            lines,
            hash_of(opened, patience) if with_hash else None,
        )
