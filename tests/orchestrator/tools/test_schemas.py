"""Schemas fit what model APIs take, or say why not; arguments are checked against what the server gave."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.messages import Call, text_of
from orchestrator.tools.schemas import Checker, fit
from tests.orchestrator.tools.boxes import bare, opened, said_by, status_of
from tests.orchestrator.tools.desks import QuietDesk

STRING = {"type": "string"}
KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
WORDS = (
    *("type", "properties", "required", "items", "anyOf", "oneOf", "allOf", "$ref", "$defs", "enum", "pattern"),
    *("additionalProperties", "exclusiveMinimum", "minimum", "not", "if", "patternProperties", "$schema", "const"),
)
SCHEMAS = st.recursive(
    JSON | st.sampled_from(["object", "string", "#/$defs/a", "#", "null"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=25,
)


def accepted_by_the_api(schema: dict[str, Any]) -> None:
    assert schema["type"] == "object"
    assert not {"oneOf", "anyOf", "allOf"} & set(schema)
    assert all(KEY.fullmatch(key) for key in schema.get("properties", {}))
    jsonschema.Draft202012Validator.check_schema(schema)


def fitted(given_schema: Any) -> dict[str, Any]:
    result = fit(given_schema)
    assert result.schema is not None, result.problem
    accepted_by_the_api(result.schema)
    return result.schema


@given(SCHEMAS)
def test_whatever_a_server_gives_is_made_to_fit_or_refused_with_a_reason(given_schema: Any) -> None:
    result = fit(given_schema)
    if result.schema is None:
        assert result.problem
    else:
        accepted_by_the_api(result.schema)


@given(SCHEMAS, st.dictionaries(st.text(max_size=4), JSON, max_size=3))
def test_checking_never_fails_whatever_the_schema(given_schema: Any, arguments: dict[str, Any]) -> None:
    assert all(isinstance(fault, str) for fault in Checker(given_schema).faults(arguments))


def test_a_good_schema_is_left_as_it_is() -> None:
    good = {"type": "object", "properties": {"a": {"anyOf": [STRING, {"type": "null"}]}}, "required": ["a"]}
    assert fitted(good) == good


@pytest.mark.parametrize("combiner", ["anyOf", "oneOf"])
def test_alternatives_at_the_top_become_optional_and_a_sentence(combiner: str) -> None:
    branches = [
        {"properties": {"id": STRING, "both": STRING}, "required": ["id", "both"]},
        {"properties": {"name": STRING, "both": {"type": "integer"}}, "required": ["name", "both"]},
    ]
    schema = fitted({"type": "object", combiner: branches})
    assert set(schema["properties"]) == {"id", "name", "both"}
    assert schema["properties"]["both"] == {"anyOf": [STRING, {"type": "integer"}]}
    assert schema["required"] == ["both"]
    assert "(both, id) | (both, name)" in schema["description"]


def test_all_of_at_the_top_is_merged_and_references_are_followed() -> None:
    part = {"properties": {"b": STRING}, "required": ["b"]}
    own = {"properties": {"a": STRING}, "required": ["a"]}
    schema = fitted({"allOf": [own, {"$ref": "#/$defs/P"}], "$defs": {"P": part}})
    assert set(schema["properties"]) == {"a", "b"}
    assert schema["required"] == ["a", "b"]


def test_odd_property_names_are_left_out_and_mentioned() -> None:
    schema = fitted({"type": "object", "properties": {"a b": STRING, "c": STRING}, "required": ["a b"]})
    assert set(schema["properties"]) == {"c"}
    assert schema["required"] == []
    assert "'a b' (required)" in schema["description"]


def test_older_drafts_are_translated() -> None:
    schema = fitted(
        {
            "$schema": "http://json-schema.org/draft-04/schema#",
            "type": "object",
            "properties": {
                "pair": {"type": "array", "items": [STRING, STRING], "additionalItems": False},
                "n": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "required": True},
                "any": {"type": "any"},
            },
        }
    )
    assert schema["properties"]["pair"] == {"type": "array", "prefixItems": [STRING, STRING], "items": False}
    assert schema["properties"]["n"] == {"type": "number", "exclusiveMinimum": 0}
    assert schema["properties"]["any"] == {}
    assert schema["required"] == ["n"]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (None, "NoneType"),
        ({"type": "string"}, "of type string"),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/No"}}}, "'#/$defs/No', which is not there"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.com/x"}}}, "outside of itself"),
        ({"type": "object", "properties": {"a": {"minLength": "three"}}}, "at properties/a/minLength"),
        ({"$ref": "#"}, "circle"),
    ],
)
def test_what_cannot_be_mended_is_refused_with_the_reason(bad: Any, why: str) -> None:
    result = fit(bad)
    assert result.schema is None
    assert why in result.problem


def test_a_schema_too_deep_to_walk_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(2_000):
        deep = {"type": "object", "properties": {"a": deep}}
    assert "deep" in fit(deep).problem


def test_faults_name_the_field_and_the_problem() -> None:
    number = {"n": {"type": "integer", "maximum": 9}}
    item: Any = {"type": "object", "properties": number, "additionalProperties": False}
    properties: Any = {"list": {"type": "array", "items": item}}
    checker = Checker({"type": "object", "properties": properties, "required": ["list"]})
    assert checker.faults({"list": [{"n": 1}]}) == []
    assert checker.faults({}) == ["arguments: 'list' is a required property"]
    assert checker.faults({"list": [{"n": 10}]}) == ["list.0.n: 10 is greater than the maximum of 9"]
    assert "'m' was unexpected" in checker.faults({"list": [{"m": 1}]})[0]
    many: Any = [{"n": 10}] * 9
    assert checker.faults({"list": many})[-1] == "and 4 more"


def test_a_regular_expression_of_a_server_cannot_keep_us_busy() -> None:
    evil: Any = {"type": "string", "pattern": "^(a+)+$"}
    schema: Any = {"type": "object", "properties": {"a": evil}, "patternProperties": {"^(b+)+$": evil}}
    assert Checker({**schema, "additionalProperties": False}).faults({"a": "a" * 60 + "!", "b" * 60 + "!": 1}) == []


@pytest.mark.anyio
async def test_bad_schemas_of_a_real_server_are_mended_or_named_and_the_rest_works(tmp_path: Path) -> None:
    with anyio.fail_after(30):
        async with opened(tmp_path, bad=bare("bad-schemas")) as box:
            offered = {tool.original: tool for tool in box.tools()}
            mended = {"fine", "no_type", "any_of", "one_of", "all_of", "odd_key", "tuple", "draft4"}
            assert set(offered) == mended
            for tool in offered.values():
                accepted_by_the_api(tool.input_schema)
            lost = box.quarantined()
            assert set(lost) == {
                *("bad__text", "bad__nowhere", "bad__wrong", "bad__none", "bad__fine (again)", "bad__(number 14)"),
            }
            problem = status_of(box, "bad").problem
            assert all(f"{name.removeprefix('bad__')}: {why}" in problem for name, why in lost.items())
            odd = Call(id="1", tool="bad__odd_key", arguments={"spaced key": "x"})
            assert text_of((await box.call(odd, QuietDesk())).content) == "said"
            assert "is not valid under any of the given schemas" in await said_by(box, "bad__any_of")
