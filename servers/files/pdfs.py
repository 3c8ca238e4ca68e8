"""The text of PDF files, read by a program of its own (`pdf_text`), and kept for the next page of the answer."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

from servers.files.errors import Invalid, OutOfTime, TooLarge
from servers.files.folder import Opened
from servers.files.pdf_text import LARGEST, SECONDS

_READER = Path(__file__).with_name("pdf_text.py")


def text_of(opened: Opened) -> str:
    """Return the text of a PDF, with a line before each page. Raises `FilesError`."""
    status = opened.status
    if status.st_size > LARGEST:
        raise TooLarge(f"too large: {status.st_size} > {LARGEST} bytes", "Ask the user for the part that matters.")
    return _read(_Same(opened.fd, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)))


class _Same:
    """A file, equal to another when nothing about it has changed."""

    def __init__(self, fd: int, key: tuple[int, ...]) -> None:
        self.fd = fd
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


@functools.lru_cache(maxsize=2)
def _read(file: _Same) -> str:
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_READER)],
            stdin=file.fd,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={"PATH": os.defpath},
        )
    except subprocess.TimeoutExpired:
        raise OutOfTime("this PDF took too long to read", "Ask the user for its text.") from None
    if done.returncode == 4:
        raise Invalid("this PDF is locked with a password", "Ask the user for its text.")
    if done.returncode != 0:
        raise Invalid("this PDF cannot be read", 'It may be damaged; its bytes come with as="base64".')
    found = json.loads(done.stdout)
    pages: list[str] = found["pages"]
    of: int = found["of"]
    return "".join(f"--- page {number} of {of} ---\n{text}\n" for number, text in enumerate(pages, 1))
