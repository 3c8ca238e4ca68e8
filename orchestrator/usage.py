"""Tokens and their price, of a turn, a conversation, a day: folds over events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from orchestrator.events import Recorded, StepFinished
from orchestrator.messages import Usage
from orchestrator.pricing import dollars

NOTHING = Usage()


@dataclass(frozen=True)
class Bill:
    """What some steps used. `dollars` covers the steps whose model has a price; `unpriced` names the others."""

    steps: int = 0
    tokens: Usage = NOTHING
    dollars: float = 0.0
    unpriced: frozenset[str] = frozenset()

    @property
    def cache_hits(self) -> float:
        """The share of the prompts that was read from the cache, 0 to 1."""
        return self.tokens.cache_read_tokens / self.tokens.prompt_tokens if self.tokens.prompt_tokens else 0.0

    def after(self, step: StepFinished) -> Bill:
        """Return the bill with a step on it, and all that the step used."""
        bill = replace(self, steps=self.steps + 1)
        for one in step.spent:
            bill = bill.with_tokens(one.model, one.usage)
        return bill

    def with_tokens(self, model: str, tokens: Usage) -> Bill:
        """Return the bill with what one request used on it."""
        price = dollars(model, tokens)
        return replace(
            self,
            tokens=self.tokens + tokens,
            dollars=self.dollars + (price or 0.0),
            unpriced=self.unpriced | ({model} if price is None else set()),
        )


EMPTY = Bill()


def bill(events: Iterable[Recorded]) -> Bill:
    """Return what all these events used together."""
    return bills(events, lambda _: "").get("", EMPTY)


def bills(events: Iterable[Recorded], key: Callable[[Recorded], str]) -> dict[str, Bill]:
    """Return a bill for each `key` (a turn's id, a day, a model), in the order in which they appear."""
    found: dict[str, Bill] = {}
    for recorded in events:
        if isinstance(recorded.event, StepFinished):
            name = key(recorded)
            found[name] = found.get(name, EMPTY).after(recorded.event)
    return found
