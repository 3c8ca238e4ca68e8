"""What passes between the server and a worker process: frames of four bytes of length and that many bytes.

To the worker go pickled tuples (the method and its arguments); from the worker comes JSON, which the server checks:
the worker trusts the server, the server does not trust the worker.
"""

from __future__ import annotations

import json
import pickle
import struct
from typing import IO, Any

HEAD = struct.Struct("!I")
STOP = "stop"
Request = tuple[Any, ...]


def write(pipe: IO[bytes], payload: bytes) -> None:
    """Write one frame."""
    pipe.write(HEAD.pack(len(payload)) + payload)
    pipe.flush()


def read(pipe: IO[bytes]) -> bytes | None:
    """Return the next frame, or None where the pipe ends."""
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (length,) = HEAD.unpack(head)
    payload = pipe.read(length)
    return payload if len(payload) == length else None


def request(*parts: Any) -> bytes:
    """Return a request as the payload of a frame."""
    return pickle.dumps(parts)


def requested(payload: bytes) -> Request:
    """Return the request in a payload that the server sent."""
    return pickle.loads(payload)


def reply(value: object) -> bytes:
    """Return an answer as the payload of a frame; dataclasses become objects."""
    text = json.dumps(value, default=vars, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")  # a lone surrogate cannot be sent to any client
