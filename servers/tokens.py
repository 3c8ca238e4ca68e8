"""Bearer tokens of the clients that may call over HTTP, and the gate that asks for them."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SHORTEST = 16

logger = logging.getLogger(__name__)


class TokenTrouble(ValueError):
    """A line of tokens cannot be used; the text names the line, never the token."""


@dataclass(frozen=True)
class Tokens:
    """The principals that may call, by the SHA-256 of their tokens; empty means that no token is asked for."""

    principals: Mapping[bytes, str]

    @classmethod
    def parse(cls, text: str) -> Tokens:
        """Read one token or `name:token` per line, without empty lines and `#` comments. Raises: `TokenTrouble`."""
        principals: dict[bytes, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            name, colon, token = line.partition(":")
            name, token = (name.strip(), token.strip()) if colon else (f"token-{number}", line)
            if len(token) < SHORTEST or not name or not token.isascii():
                raise TokenTrouble(f"line {number} needs a token of at least {SHORTEST} ASCII characters.")
            if _digest(token) in principals or name in principals.values():
                raise TokenTrouble(f"line {number} repeats a name or a token.")
            principals[_digest(token)] = name
        return cls(principals)

    def __bool__(self) -> bool:
        return bool(self.principals)

    def principal(self, authorization: str | None) -> str | None:
        """Return whose token an `Authorization` header carries; None if it is nobody's. Takes equally long for all."""
        scheme, _, token = (authorization or "").partition(" ")
        digest = _digest(token.strip())
        found = [name for known, name in self.principals.items() if hmac.compare_digest(known, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


class TokenGate:
    """Lets only requests with a known token pass (RFC 6750), and tells the SDK whose they are.

    The SDK binds sessions and request state to that principal.
    """

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = AuthContextMiddleware(app)
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 401."""
        if scope["type"] != "http" or not self._tokens:
            await self._app(scope, receive, send)
            return
        principal = self._tokens.principal(Headers(scope=scope).get("authorization"))
        if principal is None:
            logger.warning("refused a request without a known token, from %s", (scope.get("client") or ["?"])[0])
            problem = {"error": "invalid_token", "error_description": "This server asks for a bearer token."}
            refusal = JSONResponse(problem, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
            await refusal(scope, receive, send)
            return
        user = AuthenticatedUser(AccessToken(token="", client_id=principal, scopes=[]))
        await self._app({**scope, "user": user}, receive, send)
