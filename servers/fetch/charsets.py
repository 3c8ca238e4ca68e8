"""Bytes to text, in the charset the page really has.

The order is that of the HTML standard (WHATWG, "determining the character encoding"): a byte order mark, then the
Content-Type header, then `<meta>` in the first bytes, then what the bytes look like. Labels mean what the Encoding
Standard says: `iso-8859-1` and `ascii` are windows-1252.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
META = re.compile(rb"<meta[^>]{0,512}?charset\s*=\s*[\"']?\s*([a-z0-9._:-]{1,40})", re.IGNORECASE)
XML = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([a-z0-9._:-]{1,40})", re.IGNORECASE)
LANGUAGE = re.compile(rb"<html[^>]{0,200}?\slang\s*=\s*[\"']?([a-z]{2})", re.IGNORECASE)
BY_LANGUAGE = {
    **dict.fromkeys(("cs", "hr", "hu", "pl", "ro", "sk", "sl"), ("cp1250",)),
    **dict.fromkeys(("et", "lt", "lv"), ("cp1257",)),
    "tr": ("cp1254",),
    "ja": ("euc_jp", "cp932"),
    "ko": ("cp949",),
    "zh": ("gb18030", "big5hkscs"),
}
WESTERN = "cp1252"
OTHER_SCRIPTS = (
    *(
        "cp1251",
        "cp1253",
        "cp1255",
        "cp1256",
        "cp1258",
        "cp866",
        "cp874",
        "cp9",
        "koi8",
        "gb",
        "big5",
        "euc",
        "shift_jis",
    ),
    *("iso2022", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8", "mac-cyrillic", "mac-greek", "utf"),
)
HEAD_BYTES = 4_096
SAMPLE_BYTES = 65_536
LABELS = {  # WHATWG Encoding Standard, "names and labels": those that mean something else than Python thinks
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "ascii": "cp1252",
    "us-ascii": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "big5": "big5hkscs",
    "utf-16": "utf-16-le",
    "unicode": "utf-16-le",
    "x-user-defined": "cp1252",
}
FAMILIES = ("utf-8", "utf-16", "cp", "iso8859", "iso2022_jp", "koi8", "gb", "big5", "euc", "shift_jis", "mac")


@dataclass(frozen=True)
class Decoded:
    """A text and the charset its bytes were in."""

    text: str
    charset: str


def decode(body: bytes, declared: str | None) -> Decoded:
    """Return the text of `body`; `declared` is the charset of the Content-Type header.

    Bytes that do not fit become U+FFFD: nothing is refused for its encoding.
    """
    for mark, charset in MARKS:
        if body.startswith(mark):
            return Decoded(body[len(mark) :].decode(charset, "replace"), charset)
    head = body[:HEAD_BYTES]
    for label in (declared, found(META, head), found(XML, head)):
        codec = codec_of(label)
        if codec is not None:
            # A page that says so in ASCII cannot be UTF-16 (WHATWG, "prescan a byte stream", step 3).
            codec = "utf-8" if codec.startswith("utf-16") and b"\0" not in head else codec
            return Decoded(body.decode(codec, "replace"), codec)
    try:
        return Decoded(body.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as wrong:
        if wrong.start > len(body) - 4 and wrong.reason == "unexpected end of data":  # cut inside a character
            return Decoded(body.decode("utf-8", "replace"), "utf-8")
    guess = guessed(body[:SAMPLE_BYTES])
    return Decoded(body.decode(guess, "replace"), guess)


def found(pattern: re.Pattern[bytes], head: bytes) -> str | None:
    """Return the label that `pattern` finds in the first bytes."""
    match = pattern.search(head)
    return match.group(1).decode("ascii") if match else None


def codec_of(label: str | None) -> str | None:
    """Return Python's name of the charset that web pages call `label`; None if there is no such charset."""
    if not label:
        return None
    name = label.strip(" \t\"'").lower()
    try:
        info = codecs.lookup(LABELS.get(name, name))
    except (LookupError, ValueError):
        return None
    return info.name if info.name.startswith(FAMILIES) else None


def guessed(sample: bytes) -> str:
    """Return the charset that `sample` looks like: by the language the page names, else by its bytes."""
    language = (found(LANGUAGE, sample[:HEAD_BYTES]) or "").lower()
    for charset in BY_LANGUAGE.get(language, ()):
        if fits(sample, charset):
            return charset
    from charset_normalizer import from_bytes  # 19 ms, needed by few pages

    best = from_bytes(sample, steps=5, chunk_size=2_048).best()
    guess = codec_of(best.encoding if best else None) or WESTERN
    # Western European charsets look all alike to statistics; the web's is windows-1252 (WHATWG, "locale default").
    return guess if guess.startswith(OTHER_SCRIPTS) else WESTERN


def fits(sample: bytes, charset: str) -> bool:
    """Return whether all of `sample` is text in this charset; its end may be cut inside a character."""
    try:
        codecs.getincrementaldecoder(charset)().decode(sample)
    except UnicodeDecodeError:
        return False
    return True
