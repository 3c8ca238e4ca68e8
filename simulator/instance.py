"""An answer that fits a JSON schema."""

from __future__ import annotations

import json
from typing import Any, cast

from simulator import schemas
from simulator.clauses import Clause
from simulator.shapes import Json

FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "simulator@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "hostname": "example.com",
    "duration": "PT0S",
}
DEEPEST = 12


def fitting(schema: Json, said: str, text: str) -> str:
    """Return JSON that fits `schema`: an object in the user's `text`, else one made of it and of what was `said`."""
    given = Clause(text).object
    if given is not None and schemas.fits(schema, given):
        return json.dumps(given, ensure_ascii=False)
    return json.dumps(_Maker(schema, said, Clause(text)).make(schema, "", 0), ensure_ascii=False)


class _Maker:
    """Makes a value for each part of a schema."""

    def __init__(self, root: Json, said: str, clause: Clause) -> None:
        self.root, self.said, self.clause = root, said, clause
        self.numbers = list(clause.numbers)
        self.strings = list(clause.quoted)

    def make(self, schema: Json | bool, name: str, depth: int) -> Any:
        """Return a value for a schema; beyond a depth, null."""
        if isinstance(schema, bool) or depth > DEEPEST:
            return None
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return next(
                (one for one in schema["enum"] if str(one).lower() in self.clause.text.lower()), schema["enum"][0]
            )
        for key in ("anyOf", "oneOf"):
            if schema.get(key):
                return self.make(self._simplest(schema[key], depth), name, depth + 1)
        if schema.get("allOf"):
            merged: Json = {}
            for part in schema["allOf"]:
                merged |= self._resolved(part)
            return self.make(merged, name, depth + 1)
        return self._of_kind(schema, name, depth)

    def _of_kind(self, schema: Json, name: str, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = cast(list[str], kind)[0]
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, kind)
        if kind == "boolean":
            return name.lower() in self.clause.text.lower() if name else False
        return None if kind == "null" else self._string(schema)

    def _object(self, schema: Json, depth: int) -> Json:
        properties: dict[str, Json] = schema.get("properties") or {}
        required: list[str] = schema.get("required") or []
        wanted = [name for name in properties if name in required or depth < 2]
        return {name: self.make(properties[name], name, depth + 1) for name in wanted if depth < DEEPEST}

    def _array(self, schema: Json, name: str, depth: int) -> list[Any]:
        items: Json = schema.get("items") or {}
        inner = self._resolved(items).get("type")
        few: int = schema.get("minItems") or 0
        if inner == "string" and len(self.strings) >= max(1, few) and not self._resolved(items).get("enum"):
            return list(self.strings)
        return [self.make(items, name, depth + 1) for _ in range(max(few, 1 if depth < 4 else 0))]

    def _number(self, schema: Json, kind: str) -> float | int:
        low = schema.get("minimum", schema.get("exclusiveMinimum"))
        high = schema.get("maximum", schema.get("exclusiveMaximum"))
        fitting_ones = [one for one in self.numbers if kind == "number" or isinstance(one, int)]
        for one in fitting_ones:
            if schemas.fits(schema, one):
                self.numbers.remove(one)
                return one
        step = schema.get("multipleOf") or 1
        if low is not None:
            return low + (step if "exclusiveMinimum" in schema else 0)
        return high - (step if "exclusiveMaximum" in schema else 0) if high is not None else 0

    def _string(self, schema: Json) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        text = self.strings.pop(0) if self.strings else self.said
        most, least = schema.get("maxLength"), int(schema.get("minLength") or 0)
        text = text[: int(most)] if most is not None else text
        return text.ljust(least, ".")

    def _simplest(self, branches: list[Json], depth: int) -> Json:
        """Return the first branch, or near the depth limit one that is no object."""
        plain = [one for one in branches if self._resolved(one).get("type") not in ("object", "array")]
        return plain[0] if depth > 4 and plain else branches[0]

    def _resolved(self, schema: Json | bool) -> Json:
        """Return what a local reference points to; nothing for one that points nowhere."""
        if isinstance(schema, bool):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return schema
        found: Any = self.root
        for part in reference[2:].split("/"):
            found = cast(Json, found).get(part) if isinstance(found, dict) else None
        return cast(Json, found) if isinstance(found, dict) else {}
