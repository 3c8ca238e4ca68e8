"""Names as the caller sees them: virtual paths, and names that hold nothing a terminal or a model could trip over.

`a/b.md` is a path in the only folder, `docs:/a/b.md` one in the folder `docs`. A letter of a name that does not print
(a line end, an escape, a bidi mark, a byte that is no UTF-8) is shown as `\\u{1b}`; that spelling is understood again
when nothing has it as its literal name. It never stands for a `.` or a `/`, so it names nothing that the plain
spelling could not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from servers.files.errors import Denied, Invalid

LONGEST = 4096
"""Bytes of a path, the limit of Linux and macOS."""

_SHOWN = re.compile(r"\\u\{([0-9a-f]{1,6})\}")


def shown(name: str) -> str:
    """Return `name` with every letter that does not print written as `\\u{hex}`."""
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else f"\\u{{{ord(letter):x}}}" for letter in name)


def _meant(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    letter = chr(number) if 0 < number <= 0x10FFFF else ""
    return match[0] if not letter or letter.isprintable() else letter


def spellings(path: str) -> Iterator[str]:
    """Yield the names that `path` may stand for: itself first, then its other normal forms, then `\\u{hex}` undone."""
    yield path
    if not path.isascii():
        yield from (form for kind in ("NFC", "NFD") if (form := unicodedata.normalize(kind, path)) != path)
    if "\\u{" in path and (undone := _SHOWN.sub(_meant, path)) != path:
        yield undone


def relative(path: str) -> str:
    """Return `path` without `.`, `..` and doubled slashes: `""` is the folder itself.

    Raises `Denied` when it climbs out of its folder, `Invalid` when no file can be called that.
    """
    refuse_impossible(path)
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                raise Denied("the path leaves its folder", "Only what lies in the served folders can be reached.")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def refuse_impossible(path: str) -> None:
    """Raise `Invalid` for a path that names nothing on any system."""
    if "\0" in path:
        raise Invalid("a path cannot hold a NUL", "Give the path as it was listed.")
    try:
        length = len(path.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise Invalid("the path is not Unicode text", "Give the path as it was listed.") from None
    if length > LONGEST or any(len(part) > 1024 for part in path.split("/")):
        raise Invalid(f"the path is too long ({length} bytes)", "Give the path as it was listed.")


def quoted(path: str) -> str:
    """Return `path` for an error message: in quotes, printable, and cut where it is long."""
    seen = shown(path)
    return f"'{seen[:200]}…'" if len(seen) > 200 else f"'{seen}'"
