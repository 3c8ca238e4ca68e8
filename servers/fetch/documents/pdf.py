"""The text of PDF files, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from servers.fetch.documents.package import MOST_CHARS, Text
from servers.fetch.failures import WrongType

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument  # pyright: ignore[reportMissingTypeStubs] # ships none

MOST_PAGES = 1_000


def text_of(body: bytes) -> Text:
    """Return the text of a PDF; each page starts with a line `[page 1 of 12]`.

    Raises `WrongType` if it is damaged, locked, or holds only pictures.
    """
    from pypdfium2 import PdfDocument, PdfiumError  # pyright: ignore[reportMissingTypeStubs]

    try:
        document = PdfDocument(body)
    except PdfiumError:
        raise WrongType("The PDF is damaged or needs a password. Use another source.") from None
    parts: list[str] = []
    room, count = MOST_CHARS, len(document)
    for text in pages(document):
        parts.append(f"[page {len(parts) + 1} of {count}]\n\n{text[:room]}".rstrip())
        room -= len(text)
        if room <= 0:
            break
    if room == MOST_CHARS:
        raise WrongType("The PDF holds no text, only pictures. Use another source.")
    return Text("\n\n".join(parts), cut=room <= 0 or count > MOST_PAGES)


def pages(document: PdfDocument) -> Iterator[str]:
    """Yield the text of each page, its lines as they are set; nothing for a damaged one."""
    from pypdfium2 import PdfiumError  # pyright: ignore[reportMissingTypeStubs]

    for number in range(min(len(document), MOST_PAGES)):
        try:
            page = document[number]
            text = page.get_textpage()
        except PdfiumError:
            yield ""
            continue
        found: str = text.get_text_bounded()  # pyright: ignore[reportUnknownMemberType]
        text.close()
        page.close()
        # pdfium marks a hyphen at a line's end with U+FFFE
        yield found.replace("\ufffe\r\n", "").replace("\r\n", "\n").strip()
