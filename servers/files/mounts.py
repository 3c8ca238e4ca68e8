"""Whether a folder lies on a disk of this machine, whose answers come at once, or behind a network or a program."""

from __future__ import annotations

import os
import sys

LOCAL = frozenset(
    ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs", "tmpfs", "ramfs", "overlay", "squashfs", "vfat")
)


def is_local(path: str) -> bool:
    """Say whether `path` and everything mounted below it is on local disks; no, where that cannot be known."""
    if sys.platform != "linux":
        return False
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [_mount(line) for line in file]
    except (OSError, ValueError):
        return False
    own = max((place for place, _ in mounts if _beneath(path, place)), key=len, default="")
    kinds = [kind for place, kind in mounts if place == own or _beneath(place, path)]
    return bool(kinds) and all(kind in LOCAL for kind in kinds)


def _mount(line: str) -> tuple[str, str]:
    """Where a file system is mounted, and its kind. Source: proc_pid_mountinfo(5)."""
    fields = line.split(" ")
    place = fields[4].encode("ascii", "surrogateescape").decode("unicode_escape")  # blanks are written as \\040
    return os.fsdecode(place.encode("latin-1", "replace")), fields[fields.index("-") + 1]


def _beneath(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")
