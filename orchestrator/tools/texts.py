"""Text from elsewhere, made safe to store, to send and to print."""

from __future__ import annotations

import re

ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
"""Terminal sequences (ECMA-48): CSI, OSC, the string kinds, and the short ones."""
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SURROGATES = re.compile(r"[\ud800-\udfff]")


def cleaned(text: str) -> str:
    """Return the text without terminal sequences and control characters; a lone surrogate becomes U+FFFD."""
    if text.isascii() and text.isprintable():
        return text
    text = ESCAPES.sub("", text.replace("\r\n", "\n")).replace("\r", "\n")
    return SURROGATES.sub("\ufffd", CONTROLS.sub("", text))


def said_of(count: int) -> str:
    """Return a number of bytes as people say it."""
    for unit, size in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
