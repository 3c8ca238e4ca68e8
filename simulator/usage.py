"""What a request cost: the counts of `usage`, and dollars at the price table."""

from __future__ import annotations

from dataclasses import dataclass

from simulator.catalog import ModelCard
from simulator.shapes import Json


@dataclass(frozen=True)
class Input:
    """The input tokens of one request by what the cache did with them. Fresh, read and written make the whole."""

    fresh: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0

    @property
    def total(self) -> int:
        """All input tokens."""
        return self.fresh + self.read + self.written_5m + self.written_1h

    def counts(self) -> Json:
        """Return the fields of `usage` that tell them."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.written_5m + self.written_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.written_5m,
                "ephemeral_1h_input_tokens": self.written_1h,
            },
        }


def cost(model: ModelCard, given: Input, output: int, *, batch: bool = False, fast: bool = False) -> float:
    """Return the price of one request in US dollars."""
    price = model.price_for(given.total)
    dollars = (
        given.fresh * price.fresh
        + given.read * price.read
        + given.written_5m * price.write_5m
        + given.written_1h * price.write_1h
        + output * price.output
    )
    return dollars / 1e6 * (0.5 if batch else 1.0) * (2.0 if fast else 1.0)
