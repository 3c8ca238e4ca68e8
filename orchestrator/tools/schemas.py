"""Argument schemas: made to fit what model APIs take, and used as they came to check arguments before a call.

What the Messages API refuses (one such tool spoils the whole request): anything but an object at the top; `oneOf`,
`anyOf` or `allOf` at the top; property names outside of `[a-zA-Z0-9_.-]{1,64}`; what is not JSON Schema 2020-12.
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import jsonschema
from jsonschema.validators import validator_for
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from orchestrator.tools.texts import cleaned

Schema = dict[str, JsonValue]

KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
DEEPEST = 40
COMBINERS = ("allOf", "anyOf", "oneOf")
NAMED = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
"""Keywords whose value is a table of schemas by name."""
NESTED = (
    *("items", "prefixItems", "contains", "additionalProperties", "propertyNames", "unevaluatedItems"),
    *("unevaluatedProperties", "not", "if", "then", "else", *COMBINERS),
)
"""Keywords whose value is a schema or a list of schemas."""
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
SHOWN_FAULTS = 5
UNUSABLE = (
    Unresolvable,
    jsonschema.SchemaError,
    RecursionError,
    re.error,
    TypeError,
    AttributeError,
    ValueError,
    KeyError,
)
"""What validation raises for schemas that make no sense to it."""


class Unfit(Exception):
    """A schema cannot be made to fit; the text says why."""


@dataclass(frozen=True)
class Fitted:
    """A schema as it can be offered, or the reason why it cannot."""

    schema: Schema | None
    problem: str = ""


def fit(given: JsonValue) -> Fitted:
    """Return the schema that can be offered for what a server gave."""
    try:
        if not isinstance(given, dict):
            raise Unfit(f"its arguments are described by {type(given).__name__}, not by a JSON Schema object")
        whole = mended(given, 0)
        schema = flattened(whole, whole)
        # Looked at after merging, because branches bring their own properties.
        schema = plain_keys(schema)
        jsonschema.Draft202012Validator.check_schema(schema)
        check_references(schema, schema)
    except Unfit as reason:
        return Fitted(None, str(reason))
    except jsonschema.SchemaError as error:
        where = "/".join(str(part) for part in error.absolute_path) or "the top"
        return Fitted(None, f"its schema is not valid JSON Schema 2020-12: at {where}: {error.message[:200]}")
    return Fitted(schema)


def mended(given: Schema, depth: int) -> Schema:
    """Return a copy with clean texts, in which what only older drafts know is said in the words of 2020-12."""
    if depth > DEEPEST:
        raise Unfit(f"its schema is nested more than {DEEPEST} deep")
    schema: Schema = {}
    for key, value in given.items():
        if key in NAMED and isinstance(value, dict):
            schema[key] = {cleaned(name): mended_any(one, depth + 1) for name, one in value.items()}
        elif key in NESTED:
            schema[key] = mended_any(value, depth + 1)
        elif key not in ("$schema", "id"):
            schema[cleaned(key)] = clean_value(value, depth)
    return modern(schema, needed_by_flag(given))


def mended_any(value: JsonValue, depth: int) -> JsonValue:
    """Mend what stands where a schema or a list of them belongs; `true` and `false` are schemas too."""
    if isinstance(value, list):
        return [mended_any(one, depth + 1) for one in value]
    return mended(value, depth) if isinstance(value, dict) else value


def needed_by_flag(given: Schema) -> list[str]:
    """Return the properties that say `required: true` themselves, as draft 3 had it."""
    properties = given.get("properties")
    if not isinstance(properties, dict):
        return []
    return [cleaned(name) for name, one in properties.items() if isinstance(one, dict) and one.get("required") is True]


def clean_value(value: JsonValue, depth: int) -> JsonValue:
    """Return a value that every JSON parser takes: no lone surrogates, no NaN."""
    if depth > DEEPEST:
        raise Unfit(f"its schema is nested more than {DEEPEST} deep")
    match value:
        case str():
            return cleaned(value)
        case float() if not math.isfinite(value):
            return None
        case list():
            return [clean_value(one, depth + 1) for one in value]
        case dict():
            return {cleaned(key): clean_value(one, depth + 1) for key, one in value.items()}
        case _:
            return value


def modern(schema: Schema, needed: list[str]) -> Schema:
    """Say what drafts 3 to 7 said differently: tuples in `items`, boolean limits, boolean `required`, unknown types."""
    items = schema.get("items")
    if isinstance(items, list):
        schema["prefixItems"] = items
        schema["items"] = schema.pop("additionalItems", True)
    for limit, edge in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(strict := schema.get(limit), bool):
            del schema[limit]
            if strict and edge in schema:
                schema[limit] = schema.pop(edge)
    kinds = schema.get("type")
    if isinstance(kinds, str | list):
        known = [one for one in ([kinds] if isinstance(kinds, str) else kinds) if one in TYPES]
        if not known:
            del schema["type"]
        elif isinstance(kinds, list):
            schema["type"] = cast(JsonValue, [kind for kind in TYPES if kind in known])
    if isinstance(schema.get("required"), bool):
        del schema["required"]
    if needed:
        schema["required"] = cast(JsonValue, list(dict.fromkeys([*names_of(schema), *needed])))
    return schema


def flattened(given: Schema, root: Schema, depth: int = 0) -> Schema:
    """Return an object schema without combiners at its top; what they said about alternatives becomes a sentence."""
    if depth > DEEPEST:
        raise Unfit("its schema refers to itself in a circle at the top")
    schema = resolved(given, root)
    notes: list[str] = []
    for combiner in COMBINERS:
        branches = schema.pop(combiner, None)
        if isinstance(branches, list):
            whole = [flattened(one, root, depth + 1) for one in branches if isinstance(one, dict)]
            notes += merge(schema, whole, combiner)
    kinds = schema.get("type", "object")
    if kinds != "object" and not (isinstance(kinds, list) and "object" in kinds):
        raise Unfit(f"its arguments are of type {kinds}, and must be an object")
    described = schema.get("description")
    if notes:
        schema["description"] = " ".join([*([described] if isinstance(described, str) else []), *notes])
    return {"type": "object"} | {key: value for key, value in schema.items() if key != "type"}


def merge(schema: Schema, branches: list[Schema], combiner: str) -> list[str]:
    """Add the branches' properties to `schema`: all of them needed for allOf, otherwise those that all need."""
    properties = cast(Schema, schema.setdefault("properties", {}))
    needed = [set(names_of(one)) for one in branches]
    for branch in branches:
        for name, one in cast(Schema, branch.get("properties", {})).items():
            properties[name] = one if properties.get(name, one) == one else either(properties[name], one)
        for key in ("$defs", "definitions"):
            if isinstance(more := branch.get(key), dict):
                schema[key] = {**more, **cast(Schema, schema.get(key, {}))}
    all_names = set[str]().union(*needed)
    common = all_names if combiner == "allOf" else {name for name in all_names if all(name in one for one in needed)}
    required = [*names_of(schema), *sorted(common - set(names_of(schema)))]
    if required:
        schema["required"] = cast(JsonValue, required)
    if combiner != "allOf":
        # A branch that forbids further properties would forbid those of the others.
        schema.pop("additionalProperties", None)
    choices = sorted({", ".join(sorted(one)) for one in needed})
    if combiner == "allOf" or len(choices) < 2:
        return []
    listed = " | ".join(f"({one})" if one else "(none)" for one in choices)
    return [f"Give {'exactly' if combiner == 'oneOf' else 'at least'} one of these groups of arguments: {listed}."]


def names_of(schema: Schema) -> list[str]:
    """Return the required properties."""
    required = schema.get("required")
    return [one for one in required if isinstance(one, str)] if isinstance(required, list) else []


def either(one: JsonValue, other: JsonValue) -> JsonValue:
    """Return a schema that takes what one of the two takes."""
    before = cast("list[JsonValue]", one["anyOf"]) if isinstance(one, dict) and set(one) == {"anyOf"} else [one]
    return {"anyOf": before if other in before else [*before, other]}


def resolved(schema: Schema, root: Schema) -> Schema:
    """Return the schema with a local `$ref` at its top replaced by what it points to."""
    for _ in range(DEEPEST):
        if "$ref" not in schema:
            return dict(schema)
        target = pointed(schema["$ref"], root)
        if not isinstance(target, dict):
            raise Unfit(f"its schema refers to {schema['$ref']!r}, which is not an object")
        schema = target | {key: value for key, value in schema.items() if key != "$ref"}
    raise Unfit("its schema refers to itself in a circle at the top")


def pointed(reference: JsonValue, root: JsonValue) -> JsonValue:
    """Return what a `$ref` within the document points to. Raises `Unfit`."""
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise Unfit(f"its schema refers to {reference!r}, outside of itself")
    place = root
    for part in reference[2:].split("/") if len(reference) > 1 else []:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict) and name in place:
            place = place[name]
        elif isinstance(place, list) and name.isdigit() and int(name) < len(place):
            place = place[int(name)]
        else:
            raise Unfit(f"its schema refers to {reference!r}, which is not there")
    return place


def check_references(value: JsonValue, root: Schema) -> None:
    """Raise `Unfit` if a `$ref` anywhere leads nowhere."""
    if isinstance(value, list):
        for one in value:
            check_references(one, root)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            pointed(value["$ref"], root)
        for one in value.values():
            check_references(one, root)


def plain_keys(schema: Schema) -> Schema:
    """Return the schema without properties of names that APIs refuse; its description says that they may be given."""
    for key, value in schema.items():
        if key in NAMED and isinstance(value, dict):
            schema[key] = {name: plain_keys(one) if isinstance(one, dict) else one for name, one in value.items()}
        elif key in NESTED:
            several = isinstance(value, list)
            whole = [plain_keys(one) if isinstance(one, dict) else one for one in (value if several else [value])]
            schema[key] = whole if several else whole[0]
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not (odd := [name for name in properties if not KEY.fullmatch(name)]):
        return schema
    needed = names_of(schema)
    shown = ", ".join(f"{name!r}{' (required)' if name in needed else ''}" for name in odd)
    schema["properties"] = {name: one for name, one in properties.items() if name not in odd}
    if "required" in schema:
        schema["required"] = cast(JsonValue, [name for name in needed if name not in odd])
    # The names that are left out must still be allowed.
    schema.pop("additionalProperties", None)
    described = schema.get("description")
    note = f"It also takes properties of these names: {shown}."
    schema["description"] = f"{described} {note}" if isinstance(described, str) else note
    return schema


class Checker:
    """Checks arguments against the schema that the server gave."""

    def __init__(self, given: JsonValue) -> None:
        self._validator = None
        if not isinstance(given, dict):
            return
        safe = cast("dict[str, Any]", without_patterns(given, 0))
        with contextlib.suppress(*UNUSABLE):
            kind = validator_for(safe, default=jsonschema.Draft202012Validator)
            kind.check_schema(safe)
            # An empty registry: nothing is fetched for a schema that refers to another address.
            self._validator = kind(safe, registry=Registry())

    def faults(self, arguments: Mapping[str, JsonValue]) -> list[str]:
        """Return what is wrong with the arguments, each as `field: problem`; nothing if they are fine.

        A schema that cannot be used for checking finds nothing: the server has the last word anyway.
        """
        if self._validator is None:
            return []
        try:
            errors = sorted(self._validator.iter_errors(dict(arguments)), key=lambda error: list(map(str, error.path)))
        except UNUSABLE:
            return []
        shown = [f"{place(error)}: {error.message[:300]}" for error in errors[:SHOWN_FAULTS]]
        more = len(errors) - len(shown)
        return [*shown, f"and {more} more"] if more > 0 else shown


def place(error: jsonschema.ValidationError) -> str:
    """Return the field that is wrong; for a missing or surplus one, the object that should or should not have it."""
    return ".".join(str(part) for part in error.absolute_path) or "arguments"


def without_patterns(value: JsonValue, depth: int) -> JsonValue:
    """Return the schema without regular expressions: one from a hostile server could keep us busy for ever."""
    if depth > 2 * DEEPEST:
        return True
    if isinstance(value, list):
        return [without_patterns(one, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    table = dict(value)
    if not isinstance(table.get("pattern"), dict):
        table.pop("pattern", None)
    if "patternProperties" in table:
        for key in ("patternProperties", "additionalProperties", "unevaluatedProperties"):
            table.pop(key, None)
    return {key: without_patterns(one, depth + 1) for key, one in table.items()}
