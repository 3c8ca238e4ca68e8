"""From bytes and headers to a request whose every field is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic import ValidationError

from simulator import betas as beta
from simulator import strict
from simulator.catalog import ModelCard, card
from simulator.errors import Refused
from simulator.request import Prompt
from simulator.shapes import Json

NEW, OLD = "2026-10-21", "2023-06-01"
LARGEST_BODY, LARGEST_BATCH = 32 * 1024 * 1024, 256 * 1024 * 1024
SAMPLING = ("temperature", "top_p", "top_k")
NOT_IN_COUNT = ("max_tokens", "stream")

P = TypeVar("P", bound=Prompt)


@dataclass(frozen=True)
class Caller:
    """What the headers say."""

    key: str
    version: str
    betas: frozenset[str]


@dataclass(frozen=True)
class Request(Generic[P]):
    """One request: as parsed, and as it was sent."""

    caller: Caller
    body: P
    sent: Json
    model: ModelCard


def caller(headers: Mapping[str, str], keys: frozenset[str] | None) -> Caller:
    """Return who asks, under which API version. Raises `Refused` (401, 400)."""
    bearer = headers.get("authorization", "")
    key = bearer.removeprefix("Bearer ").strip() if bearer.startswith("Bearer ") else headers.get("x-api-key", "")
    if not key:
        raise Refused("x-api-key header is required", status=401)
    if keys is not None and key not in keys:
        wrong = "invalid x-api-key" if "x-api-key" in headers else "invalid bearer token"
        raise Refused(wrong, status=401)
    version = headers.get("anthropic-version", "")
    if not version:
        raise Refused("anthropic-version: header is required")
    if version not in (NEW, OLD):
        raise Refused(f"anthropic-version: {version!r} is not a valid version. Valid versions: {OLD!r}, {NEW!r}")
    return Caller(key, version, beta.names(headers.get("anthropic-beta")))


def json_body(raw: bytes, content_type: str, largest: int = LARGEST_BODY) -> Json:
    """Return the object in a request's body. Raises `Refused` (400, 413)."""
    if len(raw) > largest:
        raise Refused("Request exceeds the maximum size", status=413)
    if "json" not in content_type:
        raise Refused("Content-Type: expected application/json")
    try:
        body: Any = strict.loads(raw)
    except ValueError as broken:
        raise Refused(f"The request body is not valid JSON: {broken}") from None
    if not isinstance(body, dict):
        raise Refused("Input should be a valid dictionary")
    return cast(Json, body)


def request(shape: type[P], who: Caller, body: Json) -> Request[P]:
    """Return `body` as a request for an existing model. Raises `Refused` (400, 404)."""
    if "thread" in body and beta.THREADS in who.betas:
        raise Refused("thread: message threads are not supported here", code="thread_unsupported_request")
    beta.check_fields(body, who.betas)
    try:
        parsed = shape.model_validate(body)
    except ValidationError as wrong:
        raise Refused(words(wrong)) from None
    found = card(parsed.model)
    if found is None:
        raise Refused(f"model: {parsed.model}", status=404)
    for field in SAMPLING:
        if field in body and (who.version == NEW or not found.sampling):
            raise Refused(f"{field}: this parameter is not supported for this model or API version")
    return Request(who, parsed, body, found)


def words(wrong: ValidationError) -> str:
    """Return the first complaint as the API words it: `messages.0.content.1.text.text: Field required`."""
    first = wrong.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"] if not _is_branch(part))
    return f"{place}: {first['msg']}"


def _is_branch(part: int | str) -> bool:
    """Whether a part of a path names a branch of one of our unions, which the API does not show."""
    return isinstance(part, str) and (part[:1].isupper() or "[" in part or part in ("str", "list", "bool"))
