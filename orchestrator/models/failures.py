"""What goes wrong between us and a Messages API, in our words: the one border where the SDK's errors are translated."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from orchestrator.errors import (
    ModelCut,
    ModelError,
    ModelOverloaded,
    ModelRefusedKey,
    ModelRejected,
    ModelUnreachable,
)

if TYPE_CHECKING:
    from anthropic import APIStatusError

CLOUDS = {"google", "boto3", "botocore"}
MALFORMED = (ValueError, AssertionError, AttributeError, TypeError, LookupError, RecursionError)
"""What the SDK stumbles with over an answer that is not one."""
LASTING = {
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
}
"""Error types that do not pass by themselves (docs/api/errors); of others we do not know, and ask again."""
TOO_LONG = ("prompt is too long", "exceed context limit")
SHORTEN = (
    "The conversation has outgrown the model: fork it at an earlier point, begin a new one, or choose another model."
)


@contextmanager
def translated(endpoint: str, heard: Callable[[Mapping[str, str]], None] = lambda _: None) -> Generator[None]:
    """Raise the SDK's and the transport's errors as a `ModelError` that names the cause and the next step.

    `heard` gets the headers of a refusal.
    """
    import anthropic
    import httpx2

    try:
        yield
    except anthropic.APIStatusError as error:
        heard(error.response.headers)
        raise status_error(error, endpoint) from error
    except anthropic.APITimeoutError as error:
        raise ModelUnreachable(f"{endpoint} did not answer in time.", "Try again, or check the network.") from error
    except anthropic.APIConnectionError as error:
        cause = error.__cause__ or error
        advice = "Check the network and ANTHROPIC_BASE_URL."
        raise ModelUnreachable(f"{endpoint} cannot be reached ({type(cause).__name__}).", advice) from error
    except (httpx2.RequestError, anthropic.APIError) as error:
        raise ModelCut(f"The connection to {endpoint} broke in the middle of the answer.", "Try again.") from error
    except Exception as error:  # the clouds' libraries have their own trees, and are not there to be imported
        if type(error).__module__.split(".")[0] in CLOUDS:
            raise ModelRefusedKey(f"{endpoint}: {error}", "Sign in with the cloud's own tool.") from error
        if not isinstance(error, MALFORMED):
            raise
        if "authentication method" in str(error):  # the SDK found nothing to sign with, and sent nothing
            raise ModelRefusedKey(f"There is no key for {endpoint}.", "Set ANTHROPIC_API_KEY.") from error
        advice = "Check that ANTHROPIC_BASE_URL is a Messages API."
        raise ModelCut(f"{endpoint} answered with something that is not the Messages API.", advice) from error


def status_error(error: APIStatusError, endpoint: str) -> ModelError:
    """Return our error for an HTTP status, or for an error event in the middle of a stream (status 200)."""
    said = f"{error.status_code} {error.type or ''}".strip() + f": {short(error)}"
    if error.status_code == 200:
        if error.type in LASTING:
            return ModelRejected(f"{endpoint} broke its answer off ({said}).", "Change the request.")
        return ModelOverloaded(f"{endpoint} broke its answer off ({error.type or said}).", "Try again in a moment.")
    if error.status_code in (401, 403):
        return ModelRefusedKey(f"{endpoint} does not accept the key ({said}).", "Check ANTHROPIC_API_KEY.")
    if error.error_code == "enforced_spend_limit_reached" or error.status_code == 402:
        return ModelRejected(f"The spending limit is reached ({said}).", "Raise it with the provider.")
    if error.status_code in (408, 409, 429) or error.status_code >= 500:
        wait = retry_after(error)
        when = f"It asks to wait {wait:g} s." if wait else "Try again in a moment."
        return ModelOverloaded(f"{endpoint} cannot answer now ({said}).", when, wait)
    too_long = error.status_code == 413 or any(words in said for words in TOO_LONG)
    advice = SHORTEN if too_long else "See `orchestrator doctor`."
    if error.status_code == 404 and error.type == "not_found_error" and "model" in said:
        advice = "Choose another model: --model NAME, or model.name in the config."
    return ModelRejected(f"{endpoint} does not accept the request ({said}).", advice)


def check_stream(endpoint: str, headers: Mapping[str, str]) -> None:
    """Raise `ModelCut` if a server answers with a page, not a stream (the clouds' has a type of its own)."""
    kind = headers.get("content-type", "")
    if kind.startswith(("text/", "application/json")) and not kind.startswith("text/event-stream"):
        advice = "Check that ANTHROPIC_BASE_URL is a Messages API."
        raise ModelCut(f"{endpoint} answered with {kind}, which is not the Messages API.", advice)


def short(error: APIStatusError) -> str:
    """Return what the provider said, in one short line; of a proxy's web page no more than that it is one."""
    text = " ".join((error.api_message or error.message or "").split())
    if text.startswith("<") and "html" in text[:200].lower():
        return "a web page, so a proxy answered"
    return text if len(text) <= 300 else text[:300] + "…"


def retry_after(error: APIStatusError) -> float | None:
    """Return the seconds of a `retry-after` header, given as seconds or as a date (RFC 9110 §10.2.3)."""
    header = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        then, now = (parsedate_to_datetime(text) for text in (header, error.response.headers.get("date", "")))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError):  # no date, or one with a zone and one without
        return None
