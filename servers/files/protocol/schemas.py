"""JSON schemas that say the same in fewer letters: every client pays for the tool list in every conversation."""

from __future__ import annotations

from typing import Any, cast

Schema = dict[str, Any]


def slim_output(schema: Schema) -> Schema:
    """Return an output schema that accepts whatever `schema` does: without descriptions, defaults and closed doors."""
    left_out = ("description", "default", "additionalProperties", "required")
    slim = cast("Schema", _slim(schema, schema.get("$defs", {}), left_out))
    if "truncated" in slim["properties"]:
        slim["properties"]["truncated"] = {"type": ["string", "null"]}
    return slim


def slim_input(schema: Schema) -> Schema:
    """Return an input schema without what a model takes for granted: false, one as the least, null for left out.

    What the server refuses it still refuses, and says how it should be.
    """
    return cast("Schema", _slim(schema, schema.get("$defs", {}), ("minItems", "additionalProperties")))


def _slim(node: Any, models: Schema, left_out: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_slim(each, models, left_out) for each in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    known = cast("Schema", node)
    if "$ref" in known:
        return _slim({**models[known["$ref"].rpartition("/")[2]], "description": None}, models, left_out)
    out: Schema = {}
    for key, value in known.items():
        if key == "properties":
            out[key] = {name: _slim(each, models, left_out) for name, each in value.items()}
        elif key == "additionalProperties" and isinstance(value, dict):
            out[key] = value
        elif key not in (*left_out, "$defs", "anyOf") and not _taken_for_granted(known, key, value):
            out[key] = _slim(value, models, left_out)
    return out | _either(known["anyOf"], models, left_out) if "anyOf" in known else out


def _taken_for_granted(node: Schema, key: str, value: Any) -> bool:
    return (
        value is None
        or (key == "default" and value is False)
        or (key == "minimum" and value in (0, 1))
        or (key == "type" and "enum" in node)
    )


def _either(choices: list[Schema], models: Schema, left_out: tuple[str, ...]) -> Schema:
    """`{"type": ["string", "null"]}` for a choice between a plain type and null."""
    real = [each for each in choices if each.get("type") != "null"]
    if len(real) != 1 or len(choices) != 2 or "type" not in real[0]:
        return {"anyOf": [_slim(each, models, left_out) for each in choices]}
    only = cast("Schema", _slim(real[0], models, left_out))
    if "enum" in only:
        return {"enum": [*only["enum"], None]}
    return {**only, "type": [only["type"], "null"]}
