"""The Messages API behind the `Model` seam, through the official SDK. It is imported only when asked for.

The SDK's own retries are off (it obeys any `retry-after`, without a cap, and never retries a stream that broke);
`models/retrying.py` does that.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ModelCut, ModelRejected
from orchestrator.events import TextDelta, ThinkingDelta, ToolInputDelta
from orchestrator.messages import Answer, Request
from orchestrator.models import failures, wire
from orchestrator.models.endpoints import Endpoint, client
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


MOVED = "bound to a different conversation"
"""How the API refuses thinking that was made with other tools, another system prompt or another history."""


def has_credentials(env: Mapping[str, str]) -> bool:
    """Return whether the environment holds something to sign in with."""
    return any(env.get(name) for name in CREDENTIALS)


class ClaudeModel:
    """`ports.Model` over `beta.messages.stream`; `heard` gets the headers of each answer."""

    def __init__(
        self, endpoint: Endpoint | None = None, heard: Callable[[Mapping[str, str]], None] = lambda _: None
    ) -> None:
        self._endpoint = endpoint or Endpoint()
        self._heard = heard
        self._sdk: AsyncAnthropic | None = None
        self._forgiving = set[str]()
        """Models whose thinking is let go where tools or system prompt are not those that it was made with."""

    async def ask(self, request: Request, emit: Emit) -> Answer:
        try:
            return await self._asked(request, emit)
        except ModelRejected as refused:  # a server came or went, a tool was denied: that must not end a conversation
            if request.model in self._forgiving or MOVED not in str(refused):
                raise
        self._forgiving.add(request.model)
        return await self._asked(request, emit)

    async def _asked(self, request: Request, emit: Emit) -> Answer:
        sdk = self._client()
        body = wire.body(request)
        if request.model in self._forgiving:
            body = wire.forgiving(body)
        with failures.translated(str(sdk.base_url), self._heard):
            async with sdk.beta.messages.stream(**body) as stream:
                self._heard(stream.response.headers)
                failures.check_stream(str(sdk.base_url), stream.response.headers)
                heard = Heard(emit)
                async for event in stream:
                    await heard.hear(event)
                if not heard.finished or stream.current_message_snapshot.stop_reason is None:
                    raise ModelCut("The model's answer ended before it was complete.", "Nothing of it was kept.")
                return storable(wire.answer(stream.current_message_snapshot, stream.request_id or ""))

    async def close(self) -> None:
        """Close the connections."""
        if self._sdk:
            await self._sdk.close()

    def _client(self) -> AsyncAnthropic:
        if self._sdk is None:
            self._sdk = client(self._endpoint)
        return self._sdk


def storable(answer: Answer) -> Answer:
    """Return the answer. Raises `ModelCut` if it does not come back from JSON as it is (half a character, say).

    What the journal could not read again would cost the whole conversation.
    """
    try:
        whole = Answer.model_validate_json(answer.model_dump_json()) == answer
    except ValueError as error:
        raise ModelCut(f"The model's answer cannot be written down ({error}).", "Nothing of it was kept.") from error
    if not whole:
        raise ModelCut("The model's answer holds what JSON cannot hold.", "Nothing of it was kept.")
    return answer


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
        if index not in self._arguments:
            return
        tool, text = self._calls[index][1], "".join(self._arguments[index])
        try:
            arguments: object = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise ModelCut(f"The arguments for {tool} arrived incomplete.", "The call was not made.") from error
        if not isinstance(arguments, dict):
            raise ModelCut(f"The arguments for {tool} are no JSON object.", "The call was not made.")
