"""Cursors that need no memory: where to go on, sealed so that only this server's own word is believed.

A cursor binds a position to the tool and the arguments that it belongs to. Replicas that share a key accept each
other's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from servers.refusals import refuse

HOUR = 3600.0
_SEAL = 16  # bytes of HMAC-SHA256 that a cursor carries
_AGAIN = "Call {tool} again without it, and with the same arguments for every page."


class Cursors:
    """Seals and opens cursors with `keys`: the first seals, every one opens (so that keys can be changed in turn)."""

    def __init__(
        self, keys: Sequence[bytes] = (), *, lifetime: float = HOUR, clock: Callable[[], float] = time.time
    ) -> None:
        self._keys = tuple(keys) or (secrets.token_bytes(32),)
        self._lifetime = lifetime
        self._clock = clock

    def seal(self, tool: str, arguments: Mapping[str, Any], position: Any) -> str:
        """Return the cursor for going on at `position` (any JSON value) in this call of `tool`.

        `arguments` are those that must be the same on every page: leave out the cursor itself and the page size.
        """
        body = json.dumps([int(self._clock() + self._lifetime), position], separators=(",", ":")).encode()
        seal = _seal(self._keys[0], tool, arguments, body)
        return urlsafe_b64encode(seal + body).rstrip(b"=").decode()

    def open(self, cursor: str, tool: str, arguments: Mapping[str, Any]) -> Any:
        """Return the position that `seal` was given.

        Raises: `Refusal` (`invalid`) if the cursor is not ours, is of another call, or is older than its lifetime.
        """
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raw = b""
        seal, body = raw[:_SEAL], raw[_SEAL:]
        genuine = [hmac.compare_digest(seal, _seal(key, tool, arguments, body)) for key in self._keys]
        if not any(genuine):
            refuse("invalid", f"The cursor does not belong to this call. {_AGAIN.format(tool=tool)}")
        expires, position = json.loads(body)
        if self._clock() > expires:
            refuse("invalid", f"The cursor has expired. {_AGAIN.format(tool=tool)}")
        return position


def _seal(key: bytes, tool: str, arguments: Mapping[str, Any], body: bytes) -> bytes:
    call = json.dumps([tool, arguments], sort_keys=True, separators=(",", ":"), default=str).encode()
    message = b"cursor 1\0" + len(call).to_bytes(8) + call + body
    return hmac.new(key, message, hashlib.sha256).digest()[:_SEAL]
