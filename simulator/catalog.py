"""The models: what each can do, and its price.

Source: the API's model pages and price list as of November 2026. Where a page does not say (the least cacheable length
of Sonnet 5.5 and of the 5.2 models), the stricter neighbour's figure is taken; `docs/simulator.md` lists these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    fresh: float
    output: float
    write_5m: float
    write_1h: float
    read: float


@dataclass(frozen=True)
class ModelCard:
    """One model. `thinking` says what happens without a `thinking` field: `always`, `on` or `off`."""

    id: str
    name: str
    line: str
    created: str
    price: Price
    thinking: str = "always"
    kinds: tuple[str, ...] = ("adaptive",)
    context: int = 1_000_000
    output: int = 128_000
    cache_from: int = 512
    large_price: Price | None = None
    """For prompts above 100,000 tokens, where a model has two tiers."""
    forced_choice: bool = False
    prefill: bool = False
    sampling: bool = False
    effort: bool = True
    xhigh: bool = True
    summarize: bool = True
    system_messages: bool = True
    bound_thinking: bool = False
    """Whether a thinking block holds only after the exact prefix that it was made for."""
    thinks_between: bool = False
    """Whether words between calls come as thinking."""
    bytes_per_token: float = 3.0
    lifecycle: str = "active"
    retires: str | None = None
    fallbacks: tuple[str, ...] = ()

    def price_for(self, prompt_tokens: int) -> Price:
        """Return the price of a request with this many input tokens."""
        return self.large_price if self.large_price and prompt_tokens > 100_000 else self.price


def _price(fresh: float, output: float, read: float) -> Price:
    return Price(fresh, output, fresh * 1.25, fresh * 2, read)


FABLE = ("claude-opus-5-5", "claude-opus-5", "claude-opus-4-8")
UNKNOWN = "1970-01-01"  # what the API itself says of a model whose release date it does not know
OLD = 4.0  # bytes per token before the tokenizer of Opus 4.7, which makes some 30 % more tokens

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        "claude-fable-5-2",
        "Claude Fable 5.2",
        "fable",
        "2026-11-09",
        _price(8, 40, 0.20),
        cache_from=1024,
        bound_thinking=True,
        fallbacks=FABLE,
    ),
    ModelCard(
        "claude-mythos-5-2",
        "Claude Mythos 5.2",
        "mythos",
        "2026-11-09",
        _price(8, 40, 0.20),
        cache_from=1024,
        bound_thinking=True,
        fallbacks=FABLE,
    ),
    ModelCard(
        "claude-haiku-5-5",
        "Claude Haiku 5.5",
        "haiku",
        "2026-10-07",
        _price(0.10, 0.50, 0.01),
        thinking="on",
        kinds=("adaptive", "disabled"),
        large_price=_price(0.50, 2.50, 0.05),
        forced_choice=True,
        summarize=False,
        system_messages=False,
    ),
    ModelCard(
        "claude-sonnet-5-5",
        "Claude Sonnet 5.5",
        "sonnet",
        UNKNOWN,
        _price(2, 10, 0.10),
        thinking="on",
        kinds=("adaptive", "between_tools"),
        cache_from=1024,
        system_messages=False,
        thinks_between=True,
        bound_thinking=True,
    ),
    ModelCard(
        "claude-fable-5-1",
        "Claude Fable 5.1",
        "fable",
        UNKNOWN,
        _price(10, 50, 0.25),
        bound_thinking=True,
        fallbacks=FABLE,
    ),
    ModelCard(
        "claude-opus-5-5",
        "Claude Opus 5.5",
        "opus",
        UNKNOWN,
        _price(4, 20, 0.20),
        bound_thinking=True,
        fallbacks=("claude-opus-5", "claude-opus-4-8"),
    ),
    ModelCard(
        "claude-mythos-5-1",
        "Claude Mythos 5.1",
        "mythos",
        UNKNOWN,
        _price(10, 50, 0.25),
        bound_thinking=True,
        fallbacks=FABLE,
    ),
    ModelCard(
        "claude-sonnet-5",
        "Claude Sonnet 5",
        "sonnet",
        UNKNOWN,
        _price(2, 10, 0.20),
        thinking="on",
        kinds=("adaptive", "disabled"),
        cache_from=1024,
        forced_choice=True,
        system_messages=False,
    ),
    ModelCard(
        "claude-fable-5", "Claude Fable 5", "fable", UNKNOWN, _price(10, 50, 1.00), forced_choice=True, fallbacks=FABLE
    ),
    ModelCard(
        "claude-mythos-5",
        "Claude Mythos 5",
        "mythos",
        UNKNOWN,
        _price(10, 50, 1.00),
        forced_choice=True,
        fallbacks=FABLE,
    ),
    ModelCard(
        "claude-opus-5",
        "Claude Opus 5",
        "opus",
        UNKNOWN,
        _price(5, 25, 0.50),
        thinking="on",
        kinds=("adaptive", "disabled"),
        forced_choice=True,
        fallbacks=("claude-opus-4-8",),
    ),
    ModelCard(
        "claude-opus-4-8",
        "Claude Opus 4.8",
        "opus",
        UNKNOWN,
        _price(5, 25, 0.50),
        thinking="off",
        kinds=("adaptive", "disabled"),
        cache_from=1024,
        forced_choice=True,
    ),
    ModelCard(
        "claude-opus-4-7",
        "Claude Opus 4.7",
        "opus",
        UNKNOWN,
        _price(5, 25, 0.50),
        thinking="off",
        kinds=("adaptive", "disabled"),
        cache_from=2048,
        forced_choice=True,
        system_messages=False,
    ),
    ModelCard(
        "claude-mythos-preview",
        "Claude Mythos Preview",
        "mythos",
        UNKNOWN,
        _price(10, 50, 1.00),
        cache_from=2048,
        forced_choice=True,
        system_messages=False,
    ),
    ModelCard(
        "claude-opus-4-6",
        "Claude Opus 4.6",
        "opus",
        UNKNOWN,
        _price(5, 25, 0.50),
        thinking="off",
        kinds=("adaptive", "enabled", "disabled"),
        cache_from=4096,
        forced_choice=True,
        system_messages=False,
        bytes_per_token=OLD,
        xhigh=False,
    ),
    ModelCard(
        "claude-sonnet-4-6",
        "Claude Sonnet 4.6",
        "sonnet",
        UNKNOWN,
        _price(3, 15, 0.30),
        thinking="off",
        kinds=("adaptive", "enabled", "disabled"),
        cache_from=1024,
        forced_choice=True,
        system_messages=False,
        bytes_per_token=OLD,
        xhigh=False,
    ),
    ModelCard(
        "claude-haiku-4-5-20251001",
        "Claude Haiku 4.5",
        "haiku",
        "2025-10-01",
        _price(1, 5, 0.10),
        thinking="off",
        kinds=("enabled", "disabled"),
        context=200_000,
        output=64_000,
        cache_from=4096,
        forced_choice=True,
        prefill=True,
        sampling=True,
        effort=False,
        xhigh=False,
        summarize=False,
        system_messages=False,
        bytes_per_token=OLD,
    ),
    ModelCard(
        "claude-opus-4-5-20251101",
        "Claude Opus 4.5",
        "opus",
        "2025-11-01",
        _price(5, 25, 0.50),
        thinking="off",
        kinds=("enabled", "disabled"),
        context=200_000,
        output=64_000,
        cache_from=4096,
        forced_choice=True,
        prefill=True,
        sampling=True,
        xhigh=False,
        summarize=False,
        system_messages=False,
        bytes_per_token=OLD,
    ),
    ModelCard(
        "claude-sonnet-4-5-20250929",
        "Claude Sonnet 4.5",
        "sonnet",
        "2025-09-29",
        _price(3, 15, 0.30),
        thinking="off",
        kinds=("enabled", "disabled"),
        context=200_000,
        output=64_000,
        cache_from=1024,
        forced_choice=True,
        prefill=True,
        sampling=True,
        effort=False,
        xhigh=False,
        summarize=False,
        system_messages=False,
        bytes_per_token=OLD,
        lifecycle="deprecated",
        retires="2026-11-30",
    ),
)

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "claude-haiku-4-5": "claude-haiku-4-5-20251001",
        "claude-opus-4-5": "claude-opus-4-5-20251101",
        "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    }
)

DEFAULT_MODEL = "claude-opus-5-5"


def card(model: str) -> ModelCard | None:
    """Return the card of a model id or alias, or None."""
    wanted = ALIASES.get(model, model)
    return next((one for one in CARDS if one.id == wanted), None)
