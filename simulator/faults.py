"""Failures on demand: what goes wrong with a request, and how it reaches the client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import formatdate

from simulator.errors import Refused

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529)
STREAMED = ("overloaded", "stall", "cut", "reset", "end", "bad-json", "cut-arguments")
WHOLE = ("html", "empty", "slow")
MESSAGES = {
    400: "The simulator was told to refuse this request.",
    401: "invalid x-api-key",
    402: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
    403: "Your API key does not have permission to use the specified resource.",
    404: "The requested resource could not be found.",
    409: "The request conflicts with the current state of the resource.",
    413: "Request exceeds the maximum size",
    429: "This request would exceed your organization's rate limit. Please try again later.",
    500: "Internal server error",
    504: "The request took too long.",
    529: "Overloaded",
}
LONGEST_S = 366 * 86_400.0
USAGE = (
    "a fault is a status (400 401 402 403 404 408 409 413 429 500 502 503 504 529) or one of "
    "overloaded, stall, cut, reset, end, bad-json, cut-arguments, html, empty, slow; then maybe after=EVENTS, "
    "seconds=S, retry-after=SECONDS, retry-after=date:SECONDS or code=ERROR_CODE; `none` lets a request pass"
)


@dataclass(frozen=True)
class Fault:
    """One failure. `after` is how many events of a stream still arrive, `seconds` how long a wait lasts."""

    kind: str
    after: int = 3
    seconds: float = 3600.0
    retry_after: str | None = None
    code: str | None = None
    """The `error_code` of an error answer."""

    @property
    def status(self) -> int | None:
        """The status of an error answer; None if the answer begins as if all were well."""
        return int(self.kind) if self.kind.isdigit() else None

    @property
    def streamed(self) -> bool:
        """Whether it happens in the middle of a stream."""
        return self.kind in STREAMED

    def refusal(self, now: float) -> Refused:
        """Return the error that an error answer carries. `now` dates a `retry-after`."""
        status = self.status or 500
        headers = {"retry-after": self._retry_after(now)} if self.retry_after else {}
        return Refused(MESSAGES.get(status, "Internal server error"), status=status, code=self.code, headers=headers)

    def written(self) -> str:
        """Return the fault as `parse` reads it."""
        parts = [self.kind]
        if self.streamed:
            parts.append(f"after={self.after}")
        if self.kind in ("slow", "stall"):
            parts.append(f"seconds={self.seconds:g}")
        if self.code:
            parts.append(f"code={self.code}")
        if self.retry_after:
            parts.append(f"retry-after={self.retry_after}")
        return " ".join(parts)

    def _retry_after(self, now: float) -> str:
        text = self.retry_after or ""
        return formatdate(now + float(text[5:]), usegmt=True) if text.startswith("date:") else text


def parse(text: str) -> Fault | None:
    """Return the fault that a text such as `429 retry-after=2` or `cut after=5` asks for; None for `none`.

    Raises `ValueError` with the ways to write one.
    """
    kind, *rest = text.strip().lower().split() or [""]
    if kind == "none" and not rest:
        return None
    if kind not in STREAMED + WHOLE and not (kind.isdigit() and int(kind) in STATUSES):
        raise ValueError(f"{kind!r} is no fault: {USAGE}")
    options: dict[str, str] = {}
    for part in rest:
        found = re.fullmatch(r"(after|seconds|retry-after|code)=(\S+)", part)
        if not found:
            raise ValueError(f"{part!r} does not belong there: {USAGE}")
        options[found.group(1)] = found.group(2)
    try:
        default = 0.5 if kind == "slow" else 3600.0
        after, seconds = int(options.get("after", 3)), float(options.get("seconds", default))
        wait = float(options.get("retry-after", "0").removeprefix("date:"))
    except ValueError:
        raise ValueError(f"{text!r} holds something that is no number: {USAGE}") from None
    if not (after >= 0 and 0 <= seconds < LONGEST_S and 0 <= wait < LONGEST_S):
        raise ValueError(f"{text!r} holds a number that is below zero or beyond a year: {USAGE}")
    return Fault(kind, after, seconds, options.get("retry-after"), options.get("code"))


PASS = Fault("none")
"""Stands in a list of faults for a request that goes well."""
