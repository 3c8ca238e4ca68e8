"""Office files as packages: a zip of XML parts (OPC, ECMA-376 part 2).

Both are bombs by nature. The central directory is judged before anything is unpacked, every part is read in small
pieces up to a cap, and the XML parser is a stream without entities: a document type declaration is refused.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol
from xml.parsers import expat

from servers.fetch.failures import TooLarge, WrongType

MOST_ENTRIES, MOST_RATIO, MOST_BYTES = 1_000, 100, 60_000_000
SMALL = 1_000_000  # a part below this may be packed as tightly as it likes
STEP = 65_536
MOST_CHARS = 2_000_000
"""Characters that are read of one file."""


@dataclass(frozen=True)
class Text:
    """The text of a file."""

    text: str
    hidden: int = 0
    """Characters of hidden text left out."""
    cut: bool = False


class Enough(Exception):
    """There is as much text as will be kept."""


class Part(Protocol):
    """Takes what it wants from a part of a package as the XML goes by. Names come without their prefix."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Take the start of an element."""
        ...

    def end(self, name: str) -> None:
        """Take the end of an element."""
        ...

    def text(self, text: str) -> None:
        """Take text. Raises `Enough` to see no more."""
        ...


def opened(body: bytes) -> zipfile.ZipFile:
    """Return the package. Raises `WrongType` if it is none, `TooLarge` if it would unpack to too much."""
    try:
        package = zipfile.ZipFile(io.BytesIO(body))
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise WrongType("The file is damaged: it is no office document. Use another source.") from None
    entries = package.infolist()
    unpacked = sum(entry.file_size for entry in entries)
    swollen = any(e.file_size > SMALL and e.file_size > MOST_RATIO * max(1, e.compress_size) for e in entries)
    if len(entries) > MOST_ENTRIES or unpacked > MOST_BYTES or swollen:
        raise TooLarge("The file unpacks to more than can be read here. Use another source.")
    return package


def parse(package: zipfile.ZipFile, name: str, part: Part) -> bool:
    """Show a part of the package to `part`; return whether there is such a part.

    Raises `WrongType` if it is broken or has a document type, `TooLarge` if it is larger than the directory said.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse_document_type
    parser.StartElementHandler = lambda tag, attributes: part.start(
        local(tag), {local(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda tag: part.end(local(tag))
    parser.CharacterDataHandler = part.text
    try:
        with package.open(name) as content:
            feed(parser, content)
    except KeyError:
        return False
    except Enough:
        return True
    except (expat.ExpatError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError, ValueError):
        raise WrongType("The file is damaged and cannot be read. Use another source.") from None
    return True


def feed(parser: expat.XMLParserType, content: IO[bytes]) -> None:
    """Parse the content in small pieces. Raises `TooLarge` when it has no end."""
    read = 0
    while piece := content.read(STEP):
        read += len(piece)
        if read > MOST_BYTES:
            raise TooLarge("The file unpacks to more than can be read here. Use another source.")
        parser.Parse(piece, False)
    parser.Parse(b"", True)


def refuse_document_type(*_: object) -> None:
    """Refuse a document type declaration: office files have none, entity bombs do."""
    raise WrongType("The file declares XML entities, which no office document does. Use another source.")


def local(name: str) -> str:
    """Return a name without its namespace."""
    return name.rpartition(" ")[2]


def row(cells: Sequence[str]) -> str:
    """Return the cells as a row of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"
