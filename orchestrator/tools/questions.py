"""What a server asks the user in the middle of a call (elicitation), taken to the desk and back."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from urllib.parse import urlsplit

from mcp.types import (
    INVALID_REQUEST,
    ElicitRequest,
    ElicitRequestParams,
    ElicitRequestURLParams,
    ElicitResult,
    ErrorData,
    InputRequest,
    InputResponse,
)
from pydantic import JsonValue, ValidationError

from orchestrator.events import QuestionAsked
from orchestrator.tools.errands import Errand
from orchestrator.tools.schemas import Checker, Unfit, mended
from orchestrator.tools.texts import cleaned

TRIES = 3
"""How often the user is asked again when the answer does not fit the form."""


async def asked(server: str, params: ElicitRequestParams, errand: Errand) -> ElicitResult:
    """Ask the user and return the answer in the protocol's words; the server's clock stands still meanwhile."""
    if isinstance(params, ElicitRequestURLParams):
        if urlsplit(params.url).scheme not in ("https", "http"):
            # Whatever a browser would make of it, it is not a page.
            return ElicitResult(action="cancel")
        answer = await errand.ask(question(server, params.message, {}, params.url))
        return ElicitResult(action=answer.action)
    fields = shown(dict(params.requested_schema))
    checker = Checker(fields)
    text = params.message
    for _ in range(TRIES):
        answer = await errand.ask(question(server, text, fields, ""))
        if answer.action != "accept":
            return ElicitResult(action=answer.action)
        faults = checker.faults(answer.values)
        if not faults and (fitting := accepted(answer.values)):
            return fitting
        text = f"{params.message}\n(The answer does not fit: {'; '.join(faults) or 'only plain values can be given'})"
    return ElicitResult(action="cancel")


def question(server: str, text: str, fields: dict[str, JsonValue], url: str) -> QuestionAsked:
    """Return a new question."""
    return QuestionAsked(
        question_id=uuid.uuid4().hex, server=server, text=cleaned(text), fields=fields, url=cleaned(url)
    )


def accepted(values: Mapping[str, JsonValue]) -> ElicitResult | None:
    """Return the accepting answer, unless the values are of kinds that the protocol does not carry."""
    try:
        return ElicitResult.model_validate({"action": "accept", "content": dict(values)})
    except ValidationError:
        return None


def shown(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the form with texts that can be printed; one that cannot be read is empty."""
    try:
        return mended(fields, 0)
    except Unfit:
        return {}


async def fulfilled(
    server: str, requests: Mapping[str, InputRequest], errand: Errand
) -> dict[str, InputResponse] | ErrorData:
    """Return the answers to all that a server wants to know before it goes on, or why it cannot have them."""
    answers: dict[str, InputResponse] = {}
    for key, request in requests.items():
        if not isinstance(request, ElicitRequest):
            return ErrorData(code=INVALID_REQUEST, message=f"this host does not answer {request.method}")
        answers[key] = await asked(server, request.params, errand)
    return answers
