"""Where the model is asked: Anthropic, a compatible server, or one of the clouds, each through the SDK's own client.

The clouds need an extra of this package (`pip install 'mcp-orchestrator[bedrock]'`) and sign in as their own tools do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from orchestrator.errors import ConfigError

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

Provider = Literal["anthropic", "bedrock", "vertex", "aws", "foundry", "google-cloud"]

CLIENTS: dict[Provider, tuple[str, str, str]] = {
    "anthropic": ("AsyncAnthropic", "", ""),
    "bedrock": ("AsyncAnthropicBedrock", "boto3", "bedrock"),
    "vertex": ("AsyncAnthropicVertex", "google.auth", "vertex"),
    "aws": ("AsyncAnthropicAWS", "boto3", "aws"),
    "foundry": ("AsyncAnthropicFoundry", "", ""),
    "google-cloud": ("AsyncAnthropicGoogleCloud", "google.auth", "vertex"),
}
"""For each provider: the SDK's class, the package it needs, and the extra of ours that brings it."""
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 120.0
"""How long nothing at all may come from the provider; it sends pings while a model thinks."""


@dataclass(frozen=True)
class Endpoint:
    """A provider, and what its client is made with."""

    provider: Provider = "anthropic"
    base_url: str | None = None
    """Without `/v1`; None is the provider's own address."""
    api_key: str | None = None
    """Goes out as `Authorization: Bearer`; None is what the SDK finds in the environment."""
    signed: bool = True
    """Whether requests carry a credential at all."""
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    """What only this provider's client takes: region, project_id, resource, ..."""
    proxy: str | None = None
    """The address of an HTTP proxy; None is what the environment says."""
    aiohttp: bool = False
    """Whether requests go through aiohttp instead of httpx2."""
    silence: float = SILENCE_SECONDS

    def __str__(self) -> str:
        return self.base_url or f"The model's provider ({self.provider})"


def client(endpoint: Endpoint) -> AsyncAnthropic:
    """Return the SDK's client for `endpoint`. Raises `ConfigError` if it cannot be made as configured."""
    import anthropic  # costs about a second, so not before the first question
    import httpx2

    name, needs, extra = CLIENTS[endpoint.provider]
    require(needs, f"The provider {endpoint.provider!r}", extra)
    settings: dict[str, Any] = {
        "max_retries": 0,
        "timeout": httpx2.Timeout(endpoint.silence, connect=CONNECT_SECONDS),
        **endpoint.options,
    }
    if endpoint.base_url:
        settings["base_url"] = endpoint.base_url
    if endpoint.api_key:
        settings["api_key"] = endpoint.api_key
    if not endpoint.signed:
        settings["default_headers"] = {"Authorization": anthropic.omit}
    if endpoint.aiohttp:
        require("aiohttp", "model.aiohttp", "aiohttp")
        settings["http_client"] = anthropic.DefaultAioHttpClient(proxy=endpoint.proxy)
    elif endpoint.proxy:
        settings["http_client"] = anthropic.DefaultAsyncHttpxClient(proxy=endpoint.proxy)
    try:
        return getattr(anthropic, name)(**settings)
    except (TypeError, ValueError, httpx2.InvalidURL, anthropic.AnthropicError) as error:
        raise ConfigError(f"model: {endpoint.provider} cannot be used so: {error}", "See model.options.") from error


def require(package: str, what: str, extra: str) -> None:
    """Raise `ConfigError` with the command that helps if a package is missing."""
    try:
        there = not package or find_spec(package) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise ConfigError(f"{what} needs the package {package}.", f"pip install 'mcp-orchestrator[{extra}]'")
