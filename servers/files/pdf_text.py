"""The text of a PDF on standard input, as JSON on standard output: a program of its own, so that a file may break it.

PDF readers are large and their input is hostile. Here one reads with little memory and little time; if it crashes, the
server says so and goes on.
"""

from __future__ import annotations

import json
import sys
from typing import Any

LARGEST = 50_000_000
"""Bytes of a PDF."""
MOST_TEXT = 4_000_000
"""Characters of text that are taken out."""
MOST_PAGES = 2_000
MEMORY = 512 * 1024 * 1024
SECONDS = 10


def main() -> int:
    """Read, write, return the exit code: 0 with a text, 3 for a PDF that cannot be read, 4 for a locked one."""
    _confine()
    import pypdfium2  # pyright: ignore[reportMissingTypeStubs]

    raw = sys.stdin.buffer.read(LARGEST + 1)
    try:
        document = pypdfium2.PdfDocument(raw)
    except pypdfium2.PdfiumError as error:
        return 4 if "password" in str(error).lower() else 3
    pages: list[str] = []
    length = 0
    for number in range(min(len(document), MOST_PAGES)):
        page = document[number]
        text_page: Any = page.get_textpage()
        text = str(text_page.get_text_bounded()).replace("\r\n", "\n")
        text_page.close()
        page.close()
        pages.append(text[: MOST_TEXT - length])
        length += len(pages[-1])
        if length >= MOST_TEXT:
            break
    sys.stdout.write(json.dumps({"pages": pages, "of": len(document)}))
    return 0


def _confine() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    raise SystemExit(main())
