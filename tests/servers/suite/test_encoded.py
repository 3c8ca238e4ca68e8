"""What is encoded once is the same on the wire as what the SDK would have made of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import CallToolResult, JSONRPCNotification, JSONRPCResponse

from servers.encoded import Encoded, line, structured

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(fields=st.dictionaries(st.text(), VALUES, max_size=5), number=st.integers(0, 9) | st.text(max_size=5))
def test_a_line_says_the_same_whether_its_content_was_encoded_before_or_not(
    fields: dict[str, Any], number: int | str
) -> None:
    result = {"content": [{"type": "text", "text": "}\n"}], "isError": False}
    plain = line(JSONRPCResponse(jsonrpc="2.0", id=number, result={**result, "structuredContent": fields}))
    spliced = line(JSONRPCResponse(jsonrpc="2.0", id=number, result={**result, "structuredContent": Encoded(fields)}))
    assert json.loads(spliced) == json.loads(plain)
    assert spliced.count(b"\n") == plain.count(b"\n") == 1
    assert spliced.endswith(b"}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_have_become_null(number: float) -> None:
    assert Encoded({"a": number}).text == '{"a":null}'


def test_a_result_of_nothing_but_structured_content_is_a_line_too() -> None:
    sent = line(JSONRPCResponse(jsonrpc="2.0", id=1, result={"structuredContent": Encoded({"a": 1})}))
    assert json.loads(sent)["result"] == {"structuredContent": {"a": 1}}


def test_a_notification_is_a_line_without_what_was_never_set() -> None:
    sent = line(JSONRPCNotification(jsonrpc="2.0", method="notifications/x"))
    assert json.loads(sent) == {"jsonrpc": "2.0", "method": "notifications/x"}


def test_the_text_of_a_structured_result_is_its_json() -> None:
    result: CallToolResult = structured({"entries": [1, "ä"]})
    block = result.content[0]
    assert block.type == "text"
    assert block.text == '{"entries":[1,"ä"]}'
    assert result.structured_content == {"entries": [1, "ä"]}
