"""The Messages API behind the `Model` seam, through the official SDK. It is imported only when asked for.

The SDK's own retries are off (it obeys any `retry-after`, without a cap, and never retries a stream that broke);
`models/retrying.py` does that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ModelCut
from orchestrator.events import TextDelta, ThinkingDelta, ToolInputDelta
from orchestrator.messages import Answer, Request
from orchestrator.models import failures, wire
from orchestrator.ports import Emit

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

CREDENTIALS = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_IDENTITY_TOKEN",
    "ANTHROPIC_IDENTITY_TOKEN_FILE",
)
"""Where the SDK looks for a credential, in its order."""
SILENCE_SECONDS = 120.0
"""How long nothing at all may come from the provider; it sends pings while a model thinks."""


def has_credentials(env: Mapping[str, str]) -> bool:
    """Return whether the environment holds something to sign in with."""
    return any(env.get(name) for name in CREDENTIALS)


class ClaudeModel:
    """`ports.Model` over `beta.messages.stream`.

    `base_url` is a Messages-API-compatible server, without `/v1`; `api_key` goes out as `Authorization: Bearer`. Both
    default to what the SDK finds in the environment. Not `signed`, requests go out without a credential. `heard` gets
    the headers of each answer.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        signed: bool = True,
        heard: Callable[[Mapping[str, str]], None] = lambda _: None,
        silence: float = SILENCE_SECONDS,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._signed = signed
        self._heard = heard
        self._silence = silence
        self._sdk: AsyncAnthropic | None = None

    async def ask(self, request: Request, emit: Emit) -> Answer:
        client = self._client()
        with failures.translated(str(client.base_url)):
            async with client.beta.messages.stream(**wire.body(request)) as stream:
                self._heard(stream.response.headers)
                heard = Heard(emit)
                async for event in stream:
                    await heard.hear(event)
                if not heard.finished:
                    raise ModelCut("The model's answer ended before it was complete.", "Nothing of it was kept.")
                return wire.answer(stream.current_message_snapshot, stream.request_id or "")

    async def close(self) -> None:
        """Close the connections."""
        if self._sdk:
            await self._sdk.close()

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            import anthropic  # costs about a second, so not before the first question
            import httpx2

            unsigned: Any = {} if self._signed else {"Authorization": anthropic.omit}
            self._sdk = anthropic.AsyncAnthropic(
                api_key=self._api_key,
                base_url=self._base_url,
                max_retries=0,
                timeout=httpx2.Timeout(self._silence, connect=10.0),
                default_headers=unsigned,
            )
        return self._sdk


class Heard:
    """Passes on the pieces of one answer, and checks that it is whole."""

    def __init__(self, emit: Emit) -> None:
        self.finished = False
        self._emit = emit
        self._calls: dict[int, tuple[str, str]] = {}
        self._arguments: defaultdict[int, list[str]] = defaultdict(list)

    async def hear(self, event: Any) -> None:
        """Take in one event of the SDK's stream: the wire's events, and the SDK's own, which are passed over."""
        match event.type:
            case "content_block_start" if event.content_block.type == "tool_use":
                self._calls[event.index] = (event.content_block.id, event.content_block.name)
            case "content_block_delta":
                await self._delta(event.index, event.delta)
            case "content_block_stop":
                self._check(event.index)
            case "message_stop":
                self.finished = True
            case _:
                pass

    async def _delta(self, index: int, delta: Any) -> None:
        match delta.type:
            case "text_delta":
                await self._emit(TextDelta(text=delta.text))
            case "thinking_delta":
                await self._emit(ThinkingDelta(text=delta.thinking))
            case "input_json_delta" if index in self._calls:
                call_id, tool = self._calls[index]
                self._arguments[index].append(delta.partial_json)
                await self._emit(ToolInputDelta(call_id=call_id, tool=tool, text=delta.partial_json))
            case _:
                pass

    def _check(self, index: int) -> None:
        """The SDK parses what it has, so cut arguments look whole: `{"a": "unfin` becomes `{}` without a word."""
        text = "".join(self._arguments.get(index, ()))
        try:
            json.loads(text or "{}")
        except ValueError as error:
            tool = self._calls[index][1]
            raise ModelCut(f"The arguments for {tool} arrived incomplete.", "The call was not made.") from error
