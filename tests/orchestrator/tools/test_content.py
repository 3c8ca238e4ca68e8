"""Answers of servers become results that can be sent, read and afforded."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from orchestrator.messages import Image, Result, Text, text_of
from orchestrator.tools.content import MOST_IMAGES, to_result
from orchestrator.tools.texts import cleaned

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (4).to_bytes(4) + (3).to_bytes(4) + b"\x08\x02\0\0\0"
GIF = b"GIF89a" + (4).to_bytes(2, "little") + (3).to_bytes(2, "little")
JPEG = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\0\x03\0\x04\x01"
WEBP = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0" + (3).to_bytes(3, "little") + (2).to_bytes(3, "little")


def of(*blocks: ContentBlock, most: int = 10_000, **more: Any) -> Result:
    return to_result("c", CallToolResult(content=list(blocks), **more), most)


def text(said: str) -> TextContent:
    return TextContent(text=said)


def image(raw: bytes, kind: str = "image/png") -> ImageContent:
    return ImageContent(data=base64.b64encode(raw).decode(), mime_type=kind)


def said(result: Result) -> str:
    return text_of(result.content)


def test_neighbouring_texts_become_one_and_errors_stay_errors() -> None:
    result = of(text("a"), text(""), text("b"), is_error=True)
    assert result.content == (Text(text="a\nb"),)
    assert (result.call_id, result.is_error) == ("c", True)


@pytest.mark.parametrize("blocks", [(), (TextContent(text=""),), (TextContent(text=" \n\0"),)])
def test_a_result_is_never_empty(blocks: tuple[ContentBlock, ...]) -> None:
    assert said(of(*blocks)) == "(no output)"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text\x1b]8;;http://x\x1b\\link", "textlink"),
        ("a\0b\x08c\x7fd\x9b2Je", "abcd2Je"),
        ("one\r\ntwo\rthree\tfour", "one\ntwo\nthree\tfour"),
        ("lone \ud800 half", "lone \ufffd half"),
        ("whole 😀 stays", "whole 😀 stays"),
    ],
)
def test_text_is_cleaned(raw: str, clean: str) -> None:
    assert cleaned(raw) == clean


@given(st.text(alphabet=st.characters(), max_size=200))
def test_cleaned_text_can_always_be_sent_and_printed(raw: str) -> None:
    clean = cleaned(raw)
    clean.encode()
    assert "\x1b" not in clean
    assert "\0" not in clean


@pytest.mark.parametrize(
    ("raw", "kind"), [(PNG, "image/png"), (GIF, "image/gif"), (JPEG, "image/jpeg"), (WEBP, "image/webp")]
)
def test_pictures_are_passed_on_under_their_true_type(raw: bytes, kind: str) -> None:
    assert of(image(raw, "image/jpg")).content == (Image(media_type=kind, data=base64.b64encode(raw).decode()),)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (ImageContent(data="not base64!", mime_type="image/png"), "not base64"),
        (image(b"<svg/>", "image/svg+xml"), "only JPEG, PNG, GIF and WebP"),
        (image(PNG + b"\0" * 4_000_000), "too large"),
        (image(PNG[:16] + (9_000).to_bytes(4) + PNG[20:]), "9000 x 3 pixels"),
        (image(b"\x89PNG\r\n\x1a\n"), "0 x 0 pixels"),
        (image(b"\xff\xd8\xff\xe0\0\0"), "0 x 0 pixels"),
    ],
)
def test_a_picture_that_an_api_would_refuse_is_named_instead(block: ImageContent, why: str) -> None:
    result = of(block)
    assert why in said(result)
    assert all(isinstance(one, Text) for one in result.content)


def test_too_many_pictures_are_counted_not_sent() -> None:
    result = of(*[image(PNG)] * (MOST_IMAGES + 2))
    assert sum(isinstance(one, Image) for one in result.content) == MOST_IMAGES
    assert f"[image number {MOST_IMAGES + 2}: left out" in said(result)


def test_what_a_model_cannot_get_is_named() -> None:
    result = of(
        AudioContent(data="AAAA" * 1000, mime_type="audio/wav"),
        ResourceLink(uri="file:///a.txt", name="a", mime_type="text/plain", size=2048, description="A file"),
        EmbeddedResource(resource=TextResourceContents(uri="file:///b", mime_type="text/plain", text="inside")),
        EmbeddedResource(resource=BlobResourceContents(uri="file:///c", mime_type="application/zip", blob="AAAA")),
        EmbeddedResource(resource=BlobResourceContents(uri="file:///d", mime_type="image/gif", blob=image(GIF).data)),
    )
    assert said(result).split("\n") == [
        "[audio, audio/wav, 2.9 KiB: it cannot be given to you]",
        "[link to file:///a.txt (a, text/plain, A file, 2.0 KiB)]",
        "[resource file:///b, text/plain]",
        "inside",
        "[resource file:///c, application/zip, 3 bytes: binary, it cannot be given to you]",
        "[resource file:///d, image/gif]",
    ]
    assert isinstance(result.content[-1], Image)


@pytest.mark.parametrize(
    ("blocks", "structured", "added"),
    [
        (["5"], {"result": 5}, False),
        (['{"a": 1, "b": ["x"]}'], {"a": 1, "b": ["x"]}, False),
        (["Ann is 30 and lives in Bonn"], {"name": "Ann", "age": 30, "city": "Bonn"}, False),
        (["one", "two"], {"result": ["one", "two"]}, False),
        (["2 rows"], {"rows": [{"id": 7}, {"id": 8}]}, True),
        ([], {"rows": [1]}, True),
        ([], {"result": []}, False),
        (["x"], None, False),
    ],
)
def test_a_structured_answer_is_added_only_if_it_says_more(blocks: list[str], structured: Any, added: bool) -> None:
    result = said(of(*map(text, blocks), structured_content=structured))
    plain = "\n".join(blocks) or "(no output)"
    if added:
        assert json.loads(result.removeprefix(plain).strip()) == structured
    else:
        assert result == plain


def test_long_text_keeps_head_and_tail_around_a_statement() -> None:
    result = said(of(text("start " + "x" * 50_000 + " end"), most=1_000))
    assert result.startswith("start x")
    assert result.endswith("x end")
    assert "[... 49,010 of 50,010 characters were left out here. Ask for less at once" in result
    assert len(result) < 1_200


@given(st.lists(st.text(max_size=300) | st.just(None), max_size=8), st.integers(min_value=10, max_value=400))
def test_a_capped_result_is_never_much_too_long_and_keeps_its_pictures(parts: list[str | None], most: int) -> None:
    result = of(*[image(PNG) if part is None else text(part) for part in parts], most=most)
    texts = [block.text for block in result.content if isinstance(block, Text)]
    assert sum(map(len, texts)) <= most + 200
    assert all(texts)
    assert sum(isinstance(block, Image) for block in result.content) == parts.count(None)
