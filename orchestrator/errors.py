"""Every error this program raises on purpose.

OrchestratorError
├── ConfigError              the config file cannot be used
├── UsageError               the request itself makes no sense (an empty message, no such option)
├── NotFound                 no such conversation, turn, server or approval
├── Conflict                 the thing exists, but not in a state that allows this
│   └── Fenced               another process took this turn over; this one must stop quietly
├── StoreError               the disk or the database let us down
├── ServerMissing            a server marked as required could not be used
└── ModelError               the model's provider failed
    ├── ModelRefusedKey      ... because of the key (401, 403)
    ├── ModelRejected        ... because of the request (400, 404, 413, 422)
    ├── ModelOverloaded      ... and asks us to come back later (429, 5xx, 529)
    │   └── ModelResting     ... and failed so often that it is left alone for a while
    ├── ModelUnreachable     ... because nothing answered there
    └── ModelCut             ... in the middle of its answer

A failing tool is not an error of ours: it is a `Result` with `is_error`, which the model reads.
Each class has a stable `code` (the contract; the text is not) and an `exit_code` for the command line.
"""

from __future__ import annotations

from typing import ClassVar


class OrchestratorError(Exception):
    """Something that a person can act on: `message` is one sentence with the cause, `advice` the next step."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class ConfigError(OrchestratorError):
    """The config file cannot be used; the message names file, key and line."""

    code = "config"
    exit_code = 2


class UsageError(OrchestratorError):
    """The request itself makes no sense."""

    code = "usage"
    exit_code = 2


class NotFound(OrchestratorError):
    """No such conversation, turn, server or approval."""

    code = "not_found"
    exit_code = 2


class Conflict(OrchestratorError):
    """The thing exists, but not in a state that allows this."""

    code = "conflict"
    exit_code = 2


class Fenced(Conflict):
    """Another process took this turn over; this one must stop quietly."""

    code = "fenced"


class StoreError(OrchestratorError):
    """The disk or the database let us down; what was recorded before is intact."""

    code = "store"


class ServerMissing(OrchestratorError):
    """A server marked as required could not be used."""

    code = "server_missing"
    exit_code = 4


class ModelError(OrchestratorError):
    """The model's provider failed; the user's message is kept."""

    code = "model"
    exit_code = 3


class ModelRefusedKey(ModelError):
    """The provider does not accept the key (401, 403)."""

    code = "model_refused_key"


class ModelRejected(ModelError):
    """The provider does not accept the request (400, 404, 413, 422)."""

    code = "model_rejected"


class ModelOverloaded(ModelError):
    """The provider asks us to come back later (429, 5xx, 529)."""

    code = "model_overloaded"

    def __init__(self, message: str, advice: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, advice)
        self.retry_after = retry_after
        """How many seconds the provider asks us to wait, if it says so."""


class ModelResting(ModelOverloaded):
    """The provider failed so often in a row that it is left alone for a while."""

    code = "model_resting"


class ModelUnreachable(ModelError):
    """Nothing answered at the provider's address."""

    code = "model_unreachable"


class ModelCut(ModelError):
    """The answer stopped in the middle; nothing of it was kept."""

    code = "model_cut"
