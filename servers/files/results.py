"""What the tools answer with."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from servers.files.walking import Kind
from servers.limits import Page, Value

# Lists of thousands are made as what they are on the wire, and checked against these models once, as a whole.


def _absent(value: object) -> bool:
    return value is None


Optional = Field(exclude_if=_absent)


class FileEntry(Value):
    """Something in a folder."""

    path: str
    kind: Kind
    size: Annotated[int | SkipJsonSchema[None], Optional] = None
    mtime: str


class FileList(Page):
    """A page of a folder."""

    entries: list[FileEntry]


class FoundLine(Value):
    """A line, or a name, that matches."""

    path: str
    line: Annotated[int | SkipJsonSchema[None], Optional] = None
    text: Annotated[str | SkipJsonSchema[None], Optional] = None
    before: Annotated[list[str], Field(default_factory=list[str])]
    after: Annotated[list[str], Field(default_factory=list[str])]


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
    skipped: Annotated[SkippedFiles, WithJsonSchema({"type": "object", "additionalProperties": {"type": "integer"}})]


class FileInfo(Value):
    """What is known about a file without reading it to the caller."""

    path: str
    kind: Kind
    size: int
    mtime: str
    mode: str
    mime: Annotated[str | SkipJsonSchema[None], Optional] = None
    charset: Annotated[str | SkipJsonSchema[None], Optional] = None
    lines: Annotated[int | SkipJsonSchema[None], Optional] = None
    sha256: Annotated[str | SkipJsonSchema[None], Optional] = None


class FileWritten(Value):
    """What was written."""

    path: str
    bytes: int
    sha256: Annotated[str | SkipJsonSchema[None], Optional] = None
    created: bool


class FileEdited(Value):
    """What an edit did, or would do."""

    path: str
    diff: str
    sha256: str
    replaced: int


class FileMoved(Value):
    """What was moved or copied."""

    src: str
    dst: str


class FileDeleted(Value):
    """What was deleted."""

    path: str
    entries: int
    trash_id: Annotated[str | SkipJsonSchema[None], Optional] = None


class EditText(Value):
    """One replacement."""

    old: str
    new: str
    count: Annotated[int, Field(ge=1)] = 1
