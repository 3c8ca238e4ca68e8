"""Images from servers: passed on if a model API would take them, otherwise named.

The Messages API takes JPEG, PNG, GIF and WebP of at most 5 MB and 8,000 pixels a side, and refuses the whole request
for one that is anything else, or is not what it says it is (docs: build-with-claude/vision).
"""

from __future__ import annotations

import base64
import binascii

from orchestrator.messages import Image, Text
from orchestrator.tools.texts import cleaned, said_of

LARGEST = 5_000_000
WIDEST = 8_000


def picture(data: str, media_type: str) -> Image | Text:
    """Return the image under its true type, or a text that says what it was and why it is not shown."""
    called = cleaned(media_type)
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return Text(text=f"[image, {called}: its data is not base64, so it cannot be shown]")
    kind = kind_of(raw)
    if not kind:
        return Text(text=f"[image, {called}, {said_of(len(raw))}: only JPEG, PNG, GIF and WebP can be shown]")
    if len(data) > LARGEST:
        return Text(text=f"[image, {kind}, {said_of(len(raw))}: too large to be shown. Ask for a smaller one.]")
    width, height = sides_of(raw, kind)
    if not (0 < width <= WIDEST and 0 < height <= WIDEST):
        return Text(text=f"[image, {kind}, {width} x {height} pixels: it cannot be shown. Ask for a smaller one.]")
    return Image(media_type=kind, data=base64.b64encode(raw).decode())


def kind_of(raw: bytes) -> str:
    """Return the media type that the first bytes show, or nothing."""
    if raw.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if raw.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if raw.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if raw[:4] == b"RIFF" and raw[8:12] == b"WEBP" else ""


def sides_of(raw: bytes, kind: str) -> tuple[int, int]:
    """Return width and height in pixels, zeros if the picture does not say."""
    if kind == "image/png" and raw[12:16] == b"IHDR":
        return int.from_bytes(raw[16:20]), int.from_bytes(raw[20:24])
    if kind == "image/gif":
        return int.from_bytes(raw[6:8], "little"), int.from_bytes(raw[8:10], "little")
    if kind == "image/webp":
        return sides_of_webp(raw)
    return sides_of_jpeg(raw) if kind == "image/jpeg" else (0, 0)


def sides_of_webp(raw: bytes) -> tuple[int, int]:
    """Return the size of a WebP in each of its three forms (RFC 9649, 2.5 to 2.7)."""
    form = raw[12:16]
    if form == b"VP8X":
        return 1 + int.from_bytes(raw[24:27], "little"), 1 + int.from_bytes(raw[27:30], "little")
    if form == b"VP8L":
        bits = int.from_bytes(raw[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if form == b"VP8 ":
        return int.from_bytes(raw[26:28], "little") & 0x3FFF, int.from_bytes(raw[28:30], "little") & 0x3FFF
    return 0, 0


def sides_of_jpeg(raw: bytes) -> tuple[int, int]:
    """Return the size of a JPEG from its frame header (ITU T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(raw) and raw[at] == 0xFF:
        marker = raw[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(raw[at + 7 : at + 9]), int.from_bytes(raw[at + 5 : at + 7])
        else:
            at += 2 + int.from_bytes(raw[at + 2 : at + 4])
    return 0, 0
