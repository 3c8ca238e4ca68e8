"""What kind of file it is, by its first bytes and its name."""

from __future__ import annotations

import mimetypes

LARGEST = 5_000_000
"""Bytes of an image, a sound or another binary file that is given in one answer."""
_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_TEXT = {".md": "text/markdown", ".ts": "text/typescript", ".tsx": "text/typescript", ".toml": "application/toml"}


def sniffed(start: bytes) -> str | None:
    """Return the MIME type that the first bytes of a file (16, if it has them) prove, or None."""
    if start[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(start[8:12])
    if start[4:8] == b"ftyp":
        return "audio/mp4" if start[8:11] == b"M4A" else "image/avif" if start[8:12] == b"avif" else "video/mp4"
    return next((mime for magic, mime in _MAGIC if start.startswith(magic)), None)


def mime_of(path: str, start: bytes, *, binary: bool) -> str:
    """Return the most likely MIME type of a file named `path` that begins with `start`."""
    if (proven := sniffed(start)) is not None:
        return proven
    guess = _TEXT.get(path[path.rfind(".") :].lower()) or mimetypes.guess_type(path.rpartition("/")[2])[0]
    if binary:
        return guess if guess and not guess.startswith("text/") else "application/octet-stream"
    return guess or "text/plain"
