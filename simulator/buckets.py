"""Rate limits: token buckets that fill up continuously, and the headers that tell of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from simulator.errors import Refused
from simulator.settings import Limits

NAMES: Mapping[str, str] = {"requests": "requests", "input": "input-tokens", "output": "output-tokens"}


@dataclass
class Bucket:
    """So many units a minute; full at first."""

    capacity: int
    left: float
    at: float

    def fill(self, now: float) -> None:
        """Add what has come since the last time."""
        self.left = min(float(self.capacity), self.left + max(0.0, now - self.at) * self.capacity / 60)
        self.at = now

    def wait(self, amount: float) -> float:
        """Return the seconds until `amount` is there. More than a whole bucket asks for a full one."""
        return max(0.0, (min(amount, self.capacity) - self.left) * 60 / self.capacity)


class Buckets:
    """The buckets of every key."""

    def __init__(self, limits: Limits) -> None:
        self._limits = {"requests": limits.requests, "input": limits.input_tokens, "output": limits.output_tokens}
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def take(self, key: str, needed: Mapping[str, float], now: float) -> None:
        """Take `needed` of each kind. Raises `Refused` (429) with `retry-after`, and takes nothing, if one is short."""
        buckets = {kind: bucket for kind in needed if (bucket := self._bucket(key, kind, now))}
        for kind, bucket in buckets.items():
            wait = bucket.wait(max(1.0, needed[kind]))
            if wait > 0:
                headers = self.headers(key, now) | {"retry-after": str(math.ceil(wait))}
                raise Refused(
                    f"This request would exceed the rate limit of {bucket.capacity} {NAMES[kind].replace('-', ' ')} "
                    "per minute.",
                    status=429,
                    headers=headers,
                )
        for kind, bucket in buckets.items():
            bucket.left -= needed[kind]

    def charge(self, key: str, kind: str, amount: float, now: float) -> None:
        """Take what was used, even if that is more than there is."""
        bucket = self._bucket(key, kind, now)
        if bucket:
            bucket.left -= amount

    def headers(self, key: str, now: float) -> dict[str, str]:
        """Return the `anthropic-ratelimit-*` headers; token counts are rounded to thousands, as at the API."""
        found: dict[str, str] = {}
        for kind, name in NAMES.items():
            bucket = self._bucket(key, kind, now)
            if bucket is None:
                continue
            left = max(0, int(bucket.left))
            found[f"anthropic-ratelimit-{name}-limit"] = str(bucket.capacity)
            found[f"anthropic-ratelimit-{name}-remaining"] = str(left if kind == "requests" else round(left, -3))
            full = now + (bucket.capacity - bucket.left) * 60 / bucket.capacity
            found[f"anthropic-ratelimit-{name}-reset"] = rfc3339(full)
        return found

    def _bucket(self, key: str, kind: str, now: float) -> Bucket | None:
        limit = self._limits[kind]
        if limit is None:
            return None
        bucket = self._buckets.setdefault((key, kind), Bucket(limit, float(limit), now))
        bucket.fill(now)
        return bucket


def rfc3339(seconds: float) -> str:
    """Return a time as the API writes it: `2026-11-21T03:04:05Z`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
