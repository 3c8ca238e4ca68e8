"""What the simulator refuses, and how the answer looks.

Exception
└── Refused        the request gets an error answer: a status, the API's error `type`, a message, maybe an `error_code`
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
)
"""Status to `error.type`, as the API's error page lists them."""


class Refused(Exception):
    """The request gets an error answer instead of a message."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    @property
    def kind(self) -> str:
        """The API's `error.type` for this status."""
        return TYPES.get(self.status, "api_error" if self.status >= 500 else "invalid_request_error")
