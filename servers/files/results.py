"""What the tools answer with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from servers.files.walking import Kind
from servers.limits import Page, Value


def _absent(value: object) -> bool:
    return value is None or value == ()


Optional = Field(exclude_if=_absent)


class FileEntry(Value):
    """Something in a folder."""

    path: str
    kind: Kind
    size: Annotated[int | None, Optional] = None
    mtime: str


class FileList(Page):
    """A page of a folder."""

    entries: list[FileEntry]


class FoundLine(Value):
    """A line, or a name, that matches."""

    path: str
    line: Annotated[int | None, Optional] = None
    text: Annotated[str | None, Optional] = None
    before: Annotated[tuple[str, ...], Optional] = ()
    after: Annotated[tuple[str, ...], Optional] = ()


class SkippedFiles(Value):
    """Files that were not searched."""

    binary: int
    large: int
    ignored: int
    protected: int


class FoundLines(Page):
    """A page of matches."""

    matches: list[FoundLine]
    files_scanned: int
    skipped: SkippedFiles


class FileInfo(Value):
    """What is known about a file without reading it to the caller."""

    path: str
    kind: Kind
    size: int
    mtime: str
    mode: str
    mime: Annotated[str | None, Optional] = None
    charset: Annotated[str | None, Optional] = None
    lines: Annotated[int | None, Optional] = None
    sha256: Annotated[str | None, Optional] = None
