"""The base of every wire value: frozen, and strict about fields that it does not know."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Json = dict[str, Any]
"""A JSON object as it was sent."""


class Shape(BaseModel):
    """Part of a request. An unknown field is `Extra inputs are not permitted`, as at the API."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CacheControl(Shape):
    """A cache breakpoint: everything up to here may be stored, for five minutes or an hour."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


ToolName = Annotated[str, StringConstraints(max_length=128, pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
"""Source of the pattern: the API's own error message."""
