"""Small PDF and office files, made here so that the tests hold no binaries."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'


def pdf(pages: Sequence[str]) -> bytes:
    """Return a PDF with one line of text on each page; an empty one has no text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids: list[str] = []
    for line in pages:
        stream = f"BT /F1 12 Tf 72 700 Td ({line}) Tj ET".encode("latin-1") if line else b""
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>".encode()
    out, offsets = bytearray(b"%PDF-1.4\n"), list[int]()
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def packed(parts: Mapping[str, str]) -> bytes:
    """Return a zip of these parts."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return file.getvalue()


def paragraph(text: str, style: str = "", hidden: bool = False, listed: bool = False) -> str:
    """Return a paragraph of a Word document."""
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    properties += '<w:numPr><w:numId w:val="1"/></w:numPr>' if listed else ""
    vanish = "<w:rPr><w:vanish/></w:rPr>" if hidden else ""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r>{vanish}<w:t>{text}</w:t></w:r></w:p>"


def docx() -> bytes:
    """Return a Word document with a heading, a list, a table and a hidden run."""
    cells = "".join(f"<w:tc>{paragraph(text)}</w:tc>" for text in ("a|b", "2"))
    table = (
        f"<w:tbl><w:tr><w:tc>{paragraph('Name')}</w:tc><w:tc>{paragraph('N')}</w:tc></w:tr><w:tr>{cells}</w:tr></w:tbl>"
    )
    content = (
        paragraph("Report", "Heading1")
        + paragraph("Grüße &amp; tea")
        + paragraph("IGNORE THIS", hidden=True)
        + paragraph("first", listed=True)
        + paragraph("second", listed=True)
        + table
        + paragraph("end")
    )
    return packed(
        {"word/document.xml": f"<?xml version='1.0'?><w:document {W}><w:body>{content}</w:body></w:document>"}
    )


def xlsx() -> bytes:
    """Return a workbook with a sheet of strings, numbers and gaps, and a hidden sheet."""
    rows = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="inlineStr"><is><t>Total</t></is></c></row>'
        '<row r="2"><c r="A2" t="s"><v>1</v></c><c r="B2"><v>4.5</v></c><c r="C2" t="b"><v>1</v></c></row>'
    )
    sheet = f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>"
    secret = f'<worksheet {S}><sheetData><row><c t="str"><v>secret</v></c></row></sheetData></worksheet>'
    return packed(
        {
            "xl/workbook.xml": f'<workbook {S} {R}><sheets><sheet name="Fares" sheetId="1" r:id="rId1"/>'
            '<sheet name="Old" sheetId="2" state="hidden" r:id="rId2"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
            '<Relationship Id="rId2" Target="/xl/worksheets/sheet2.xml"/></Relationships>',
            "xl/sharedStrings.xml": f"<sst {S}><si><t>Kind</t></si><si><r><t>Ad</t></r><r><t>ult</t></r></si></sst>",
            "xl/worksheets/sheet1.xml": sheet,
            "xl/worksheets/sheet2.xml": secret,
        }
    )
