"""Give large pieces of memory back to the system at once, so that one large answer does not stay for ever.

The C library of Linux keeps freed memory for later and gives every thread a heap of its own; with answers of some
megabytes from several threads that adds up to twice what is ever in use. Source: mallopt(3).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
LARGE = 2 * 1024 * 1024
"""Bytes from which a piece is taken from, and given back to, the system on its own."""
UNUSED = 8 * 1024 * 1024
"""Bytes of free memory that are kept for the next answer.

With less of either, every answer of a megabyte gives its memory back and takes it again: as much work as the answer.
"""


def give_back_early() -> None:
    """Set it for this process; where the C library is another one, nothing happens."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        for setting, value in ((_MMAP_THRESHOLD, LARGE), (_TRIM_THRESHOLD, UNUSED), (_ARENA_MAX, 2)):
            mallopt(setting, value)


def settle() -> None:
    """Say that what is in memory now stays: the collector need not go through it after every large answer."""
    gc.collect()
    gc.freeze()
