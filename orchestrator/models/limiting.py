"""Stay below a provider's limits instead of running into them: requests and tokens per minute.

The tokens of a request are estimated and reserved before it is sent, and settled by what the provider counted. What its
`anthropic-ratelimit-*` headers say goes first: where they say that nothing is left, we wait until they say it is again
(docs/api/rate-limits).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import anyio

from orchestrator.errors import ModelError
from orchestrator.events import AnswerRetried
from orchestrator.messages import Answer, Request
from orchestrator.ports import Emit, Model

CHARS_PER_TOKEN = 3.5
"""A careful guess for what is not yet counted."""
MINUTE = 60.0
WORTH_TELLING = 1.0
"""Seconds of waiting from which on the user hears of it."""
USED_UP = "The requests or tokens of this minute are used up."


class Bucket:
    """A token bucket: holds what one minute allows, and fills steadily. None is without a limit."""

    def __init__(self, per_minute: int | None, clock: Callable[[], float]) -> None:
        self._most = per_minute
        self._clock = clock
        self._level = float(per_minute or 0)
        self._at = clock()

    def wait(self, amount: float) -> float:
        """Return how many seconds until `amount` is there; what is more than a full bucket needs a full one."""
        if self._most is None:
            return 0.0
        self._fill()
        missing = min(amount, self._most) - self._level
        return max(0.0, missing / self._most * MINUTE)

    def take(self, amount: float) -> None:
        """Take that much, or (negative) put it back; the level may fall below nothing."""
        if self._most is not None:
            self._fill()
            self._level = min(self._level - amount, float(self._most))

    def _fill(self) -> None:
        assert self._most is not None
        now = self._clock()
        self._level = min(self._level + (now - self._at) / MINUTE * self._most, float(self._most))
        self._at = now


class RateLimits:
    """What one endpoint allows: by the config, and by what it says itself. Shared by all who ask it."""

    def __init__(
        self, requests: int | None = None, tokens: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._requests = Bucket(requests, clock)
        self._tokens = Bucket(tokens, clock)
        self._clock = clock
        self._closed_until = 0.0

    def wait(self, tokens: float) -> float:
        """Return how many seconds until a request of that many tokens may be sent."""
        closed = self._closed_until - self._clock()
        return max(0.0, closed, self._requests.wait(1), self._tokens.wait(tokens))

    def reserve(self, tokens: float) -> None:
        """Count a request and its estimated tokens."""
        self._requests.take(1)
        self._tokens.take(tokens)

    def settle(self, reserved: float, used: float) -> None:
        """Put back what was reserved too much, or take what was too little."""
        self._tokens.take(used - reserved)

    def heard(self, headers: Mapping[str, str], now: datetime | None = None) -> None:
        """Take in what an answer's headers say: with nothing left of something, wait until its reset."""
        for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
            left = headers.get(f"anthropic-ratelimit-{kind}-remaining", "")
            reset = headers.get(f"anthropic-ratelimit-{kind}-reset", "")
            if left.isdigit() and int(left) == 0 and reset:
                self._close(reset, now or datetime.now(UTC))

    def _close(self, reset: str, now: datetime) -> None:
        try:
            seconds = (datetime.fromisoformat(reset) - now).total_seconds()
        except (ValueError, TypeError):  # not a date that we can read: the next answer will tell
            return
        self._closed_until = max(self._closed_until, self._clock() + min(max(seconds, 0.0), MINUTE))


class LimitingModel:
    """A `Model` around another that waits its turn."""

    def __init__(self, model: Model, limits: RateLimits) -> None:
        self._model = model
        self._limits = limits

    async def ask(self, request: Request, emit: Emit) -> Answer:
        reserved = estimate(request)
        while (seconds := self._limits.wait(reserved)) > 0:
            if seconds >= WORTH_TELLING:
                await emit(AnswerRetried(attempt=1, why=USED_UP, seconds=seconds))
            await anyio.sleep(seconds)
        self._limits.reserve(reserved)
        try:
            answer = await self._model.ask(request, emit)
        except ModelError:
            self._limits.settle(reserved, 0)
            raise
        # What is read from the cache does not count against the limit of tokens.
        used = answer.usage.prompt_tokens - answer.usage.cache_read_tokens + answer.usage.output_tokens
        self._limits.settle(reserved, used)
        return answer


def estimate(request: Request) -> float:
    """Return about how many tokens the request's prompt has."""
    return len(request.model_dump_json(include={"system", "tools", "messages"})) / CHARS_PER_TOKEN
