"""What tokens cost, by a dated file with its sources (`prices.json`); of an unknown model the cost is unknown."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from orchestrator.messages import Usage

DATED = re.compile(r"-\d{8}$")
"""Some model ids end in the day of their release."""


class Rates(BaseModel):
    """US dollars per million tokens, for prompts of at most `up_to` tokens (None: of any size)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    up_to: int | None = None
    input: float
    output: float
    write_5m: float
    write_1h: float
    read: float


class Prices(BaseModel):
    """The price list: for each model its tiers, the one for the smallest prompts first."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    as_of: str
    unit: str
    sources: tuple[str, ...]
    web_search: float
    """US dollars for one search."""
    models: dict[str, tuple[Rates, ...]]


@cache
def prices() -> Prices:
    """Return the price list that this version ships with."""
    text = (resources.files("orchestrator") / "prices.json").read_text(encoding="utf-8")
    return Prices.model_validate_json(text)


def rates(model: str, prompt_tokens: int) -> Rates | None:
    """Return the rates of a model for a prompt of this size, or None if the list does not have the model."""
    tiers = prices().models.get(DATED.sub("", model), ())
    return next((tier for tier in tiers if tier.up_to is None or prompt_tokens <= tier.up_to), None)


def dollars(model: str, usage: Usage) -> float | None:
    """Return what one request cost, or None if the model's price is not known."""
    tier = rates(model, usage.prompt_tokens)
    if tier is None:
        return None
    millionths = (
        usage.input_tokens * tier.input
        + usage.output_tokens * tier.output
        + usage.cache_write_5m_tokens * tier.write_5m
        + usage.cache_write_1h_tokens * tier.write_1h
        + usage.cache_read_tokens * tier.read
    )
    return millionths / 1_000_000 + usage.web_searches * prices().web_search
