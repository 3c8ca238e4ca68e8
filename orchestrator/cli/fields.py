"""The fields of a server's question, from its flat JSON Schema, and reading what the user typed for them. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

YES, NO = ("y", "yes", "true"), ("n", "no", "false")


class NotAnAnswer(ValueError):
    """What was typed does not fit the field; the text says what would."""


@dataclass(frozen=True)
class Field:
    """One thing that a server wants to know."""

    name: str
    schema: Mapping[str, JsonValue]
    required: bool

    @property
    def label(self) -> str:
        """What the field is about, in the server's words."""
        title, description = self.schema.get("title"), self.schema.get("description")
        return ": ".join(str(part) for part in (title, description) if part) or self.name

    @property
    def choices(self) -> list[str]:
        """The values it may have, if they are listed."""
        listed = self.schema.get("enum")
        return [str(one) for one in listed] if isinstance(listed, list) else []

    @property
    def hint(self) -> str:
        """What may be typed, in brackets."""
        kind = str(self.schema.get("type", "string"))
        parts = ["/".join(self.choices) or {"boolean": "y/n", "string": ""}.get(kind, kind)]
        bounds = [self.schema.get("minimum"), self.schema.get("maximum")]
        if any(bound is not None for bound in bounds):
            parts.append("..".join("" if bound is None else str(bound) for bound in bounds))
        if "default" in self.schema:
            parts.append(f"Enter for {self.schema['default']}")
        elif not self.required:
            parts.append("Enter to leave out")
        return f" ({', '.join(filter(None, parts))})" if any(parts) else ""

    def read(self, typed: str) -> dict[str, JsonValue]:
        """Return the value by the field's name, or nothing if it is left out. Raises `NotAnAnswer`."""
        typed = typed.strip()
        if not typed and "default" in self.schema:
            return {self.name: self.schema["default"]}
        if not typed and not self.required:
            return {}
        return {self.name: self._value(typed)}

    def _value(self, typed: str) -> JsonValue:
        match self.schema.get("type"):
            case "boolean":
                if typed.lower() in YES + NO:
                    return typed.lower() in YES
                raise NotAnAnswer("Type y or n.")
            case "integer" | "number" as kind:
                return self._number(typed, whole=kind == "integer")
            case _:
                return self._text(typed)

    def _number(self, typed: str, *, whole: bool) -> JsonValue:
        try:
            number = int(typed) if whole else float(typed)
            if not math.isfinite(number):
                raise ValueError(typed)
        except ValueError:
            raise NotAnAnswer(f"Type a {'whole ' if whole else ''}number.") from None
        low, high = self.schema.get("minimum"), self.schema.get("maximum")
        if (isinstance(low, int | float) and number < low) or (isinstance(high, int | float) and number > high):
            raise NotAnAnswer(f"Type a number{self.hint}.")
        return number

    def _text(self, typed: str) -> JsonValue:
        if self.choices and typed not in self.choices:
            raise NotAnAnswer(f"Type one of: {', '.join(self.choices)}.")
        if not typed:
            raise NotAnAnswer("The server needs an answer here; Ctrl-D declines.")
        low, high = self.schema.get("minLength"), self.schema.get("maxLength")
        if isinstance(low, int) and len(typed) < low:
            raise NotAnAnswer(f"Type at least {low} characters.")
        if isinstance(high, int) and len(typed) > high:
            raise NotAnAnswer(f"Type at most {high} characters.")
        return typed


def fields_of(schema: Mapping[str, JsonValue]) -> list[Field]:
    """Return the fields that a flat schema asks for; what is not a field is passed over."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict):
        return []
    needed = required if isinstance(required, list) else []
    flat = {name: one for name, one in properties.items() if isinstance(one, dict)}
    return [Field(name, cast("Mapping[str, JsonValue]", one), name in needed) for name, one in flat.items()]
