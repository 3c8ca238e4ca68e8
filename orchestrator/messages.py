"""What is said in a conversation: messages, their blocks, the tools that may be called, calls and their results.

All values are frozen and are stored as they are; nothing here knows the words of a provider's wire format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Role = Literal["user", "assistant"]

Stop = Literal["done", "calls", "length", "paused", "refused", "window", "unknown"]
"""Why the model stopped: it finished, it asks for calls, it ran into the token limit, it wants to go on at once,
it refused, the context window is full, or a reason that we do not know."""


class Value(BaseModel):
    """A frozen value; an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Value):
    """Words."""

    type: Literal["text"] = "text"
    text: str
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """What else the provider said of it (citations, ...), echoed to the letter."""


class Image(Value):
    """A picture: `data` is base64, `media_type` one of image/jpeg, image/png, image/gif, image/webp."""

    type: Literal["image"] = "image"
    media_type: str
    data: str


class Call(Value):
    """The model asks for a tool, by the name that was offered to it."""

    type: Literal["call"] = "call"
    id: str
    tool: str
    arguments: dict[str, JsonValue]
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """What else the provider said of it, echoed to the letter."""


class Result(Value):
    """What became of a call; the model reads `content`. A failure is an ordinary result with `is_error`."""

    type: Literal["result"] = "result"
    call_id: str
    content: tuple[Text | Image, ...]
    is_error: bool = False


class Opaque(Value):
    """A block that only its provider understands (thinking, server tools, ...), kept and echoed to the letter."""

    type: Literal["opaque"] = "opaque"
    wire: dict[str, JsonValue]


Block = Annotated[Text | Image | Call | Result | Opaque, Field(discriminator="type")]


class Message(Value):
    """One message of the history as it is sent: results come in the user's role, before any other content."""

    role: Role
    content: tuple[Block, ...]

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls this message asks for, in its order."""
        return tuple(block for block in self.content if isinstance(block, Call))

    @property
    def text(self) -> str:
        """All its words, blocks joined by a blank line."""
        return text_of(self.content)


class Usage(Value):
    """Tokens of one model request; what was read from or written to the prompt cache is not in `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    web_searches: int = 0
    """How often the provider searched the web for the model, which it charges for by the search."""

    @property
    def context_tokens(self) -> int:
        """Everything that was in the window: the whole prompt and the answer."""
        return self.prompt_tokens + self.output_tokens

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt, fresh or cached."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    def __add__(self, other: Usage) -> Usage:
        names = type(self).model_fields
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in names})


class Tool(Value):
    """A tool as the model is offered it: `name` is what the model says, `server` and `original` where it leads."""

    name: str
    server: str
    original: str
    title: str = ""
    description: str = ""
    input_schema: dict[str, JsonValue]
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True
    """Hints by the server, with the protocol's defaults (MCP 2026-07-28, ToolAnnotations)."""

    @property
    def repeatable(self) -> bool:
        """Whether calling it twice does no more than calling it once."""
        return self.read_only or self.idempotent


class Request(Value):
    """One question to a model: everything that is sent, in the order in which it is cached."""

    model: str
    max_tokens: int
    effort: str = ""
    """How hard the model shall think: low, medium, high, xhigh or max; empty leaves it to the provider."""
    thinking: str = ""
    """How its thinking is shown: summarized or omitted; empty leaves it to the provider."""
    tools: tuple[Tool, ...]
    system: str
    messages: tuple[Message, ...]


class Spent(Value):
    """What a model used."""

    model: str
    usage: Usage


class Answer(Value):
    """What the model said to one request."""

    message: Message
    stop: Stop
    usage: Usage
    model: str
    beside: tuple[Spent, ...] = ()
    """What was used on the way to it: by earlier passes, by making the context smaller, by models that refused."""
    message_id: str = ""
    request_id: str = ""


def text_of(blocks: Iterable[object]) -> str:
    """Return the words among `blocks`, joined by a blank line."""
    return "\n\n".join(block.text for block in blocks if isinstance(block, Text))


def failed(call_id: str, text: str) -> Result:
    """Return the result of a call that did not succeed; `text` tells the model why and what to do."""
    return Result(call_id=call_id, content=(Text(text=text),), is_error=True)
