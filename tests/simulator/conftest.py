"""A simulator over real HTTP, and the SDK that talks to it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import anthropic
import pytest

from simulator.serving import Settings, running

Talk = Callable[..., contextlib.AbstractAsyncContextManager[anthropic.AsyncAnthropic]]


@contextlib.asynccontextmanager
async def talking(settings: Settings | None = None, **options: Any) -> AsyncGenerator[anthropic.AsyncAnthropic]:
    """Yield the SDK's client of a simulator of its own."""
    async with running(settings or Settings()) as url:
        options = {"api_key": "key", "base_url": url, "max_retries": 0, "timeout": 60.0} | options
        async with anthropic.AsyncAnthropic(**options) as client:
            yield client


@pytest.fixture
def talk() -> Talk:
    """Opens the SDK's client of a simulator with the given `Settings`; other options go to the client."""
    return talking


@pytest.fixture
async def client() -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The SDK's client of a simulator with nothing set."""
    async with talking() as client:
        yield client
