"""All that can happen in a conversation. `EVENT` is the one way in and out of JSON.

Durable events are appended to the journal and never changed; the conversation is their fold. `key` is unique within a
turn, so that recording the same thing twice is impossible. Live events (`LIVE`) are only shown: they have no key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue, TypeAdapter

from orchestrator.messages import Image, Message, Result, Spent, Stop, Text, Usage, Value


class BaseEvent(Value):
    """Something that happened."""

    live: ClassVar[bool] = False
    """Whether it is only shown, never stored."""

    @property
    def key(self) -> str:
        """What this event records, once per turn."""
        return type(self).__name__


class TurnStarted(BaseEvent):
    """The user said something; no content means: go on with what the last turn left unanswered."""

    type: Literal["turn_started"] = "turn_started"
    content: tuple[Text | Image, ...] = ()
    model: str = ""
    """Which model the user chose for this turn and the ones after it; empty: the one before, or the config's."""


class StepFinished(BaseEvent):
    """The model answered one request; `step` counts from 1 within the turn."""

    type: Literal["step_finished"] = "step_finished"
    step: int
    message: Message
    stop: Stop
    usage: Usage
    model: str
    beside: tuple[Spent, ...] = ()
    """What was used on the way to the answer, and is billed as well."""
    message_id: str = ""
    request_id: str = ""

    @property
    def key(self) -> str:
        return f"step {self.step}"

    @property
    def spent(self) -> tuple[Spent, ...]:
        """Everything that the step used, the answer's own last."""
        return (*self.beside, Spent(model=self.model, usage=self.usage))


class ApprovalRequested(BaseEvent):
    """A human must decide about a call; `why` names the rule that says so."""

    type: Literal["approval_requested"] = "approval_requested"
    call_id: str
    tool: str
    arguments: dict[str, JsonValue]
    why: str

    @property
    def key(self) -> str:
        return f"asked {self.call_id}"


class ApprovalResolved(BaseEvent):
    """Somebody decided; `note` is what the user wants the model to know about a refusal."""

    type: Literal["approval_resolved"] = "approval_resolved"
    call_id: str
    allowed: bool
    note: str = ""
    arguments: dict[str, JsonValue] | None = None
    """What the user made of the arguments; None if they are as the model wrote them."""
    rule: str = ""
    """The rule that was given with this answer, or that has come to allow the call meanwhile."""
    by: Literal["user", "rule", "automatic"] = "user"
    """Who decided; `automatic` where nobody was there to be asked."""

    @property
    def key(self) -> str:
        return f"decided {self.call_id}"


class ToolStarted(BaseEvent):
    """Written before the call, so that a crash leaves a trace; `why` names the rule or person that allowed it."""

    type: Literal["tool_started"] = "tool_started"
    call_id: str
    tool: str
    why: str

    @property
    def key(self) -> str:
        return f"started {self.call_id}"


class ToolFinished(BaseEvent):
    """A call has its result, which the model will read."""

    type: Literal["tool_finished"] = "tool_finished"
    call_id: str
    result: Result
    seconds: float = 0.0

    @property
    def key(self) -> str:
        return f"finished {self.call_id}"


class QuestionAsked(BaseEvent):
    """A server asks the user something in the middle of a call (elicitation); `fields` is a flat JSON Schema."""

    type: Literal["question_asked"] = "question_asked"
    question_id: str
    server: str
    text: str
    fields: dict[str, JsonValue] = Field(default_factory=dict)
    url: str = ""

    @property
    def key(self) -> str:
        return f"question {self.question_id}"


class QuestionAnswered(BaseEvent):
    """The user answered a server's question, declined it, or left it."""

    type: Literal["question_answered"] = "question_answered"
    question_id: str
    action: Literal["accept", "decline", "cancel"]
    values: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"answer {self.question_id}"


TurnEnd = Literal["done", "cancelled", "failed", "limit", "refused", "length"]


class TurnFinished(BaseEvent):
    """The turn is over; unless it is `done`, `detail` says why in a sentence and `code` is the error's."""

    type: Literal["turn_finished"] = "turn_finished"
    reason: TurnEnd
    detail: str = ""
    code: str = ""


class TextDelta(BaseEvent):
    """A piece of the model's words."""

    live: ClassVar[bool] = True
    type: Literal["text_delta"] = "text_delta"
    text: str


class ThinkingDelta(BaseEvent):
    """A piece of the model's thinking."""

    live: ClassVar[bool] = True
    type: Literal["thinking_delta"] = "thinking_delta"
    text: str


class ToolInputDelta(BaseEvent):
    """A piece of the arguments (JSON text) of a call that the model is writing."""

    live: ClassVar[bool] = True
    type: Literal["tool_input_delta"] = "tool_input_delta"
    call_id: str
    tool: str
    text: str


class ToolProgress(BaseEvent):
    """A running call reports how far it is."""

    live: ClassVar[bool] = True
    type: Literal["tool_progress"] = "tool_progress"
    call_id: str
    done: float
    total: float | None = None
    text: str = ""


class AnswerRetried(BaseEvent):
    """The model's answer broke off or was refused for now; what was shown of it is void, and it is asked again."""

    live: ClassVar[bool] = True
    type: Literal["answer_retried"] = "answer_retried"
    attempt: int
    why: str
    seconds: float
    """How long we wait before asking again."""


DurableEvent = (
    TurnStarted
    | StepFinished
    | ApprovalRequested
    | ApprovalResolved
    | ToolStarted
    | ToolFinished
    | QuestionAsked
    | QuestionAnswered
    | TurnFinished
)
LiveEvent = TextDelta | ThinkingDelta | ToolInputDelta | ToolProgress | AnswerRetried

Event = Annotated[DurableEvent | LiveEvent, Field(discriminator="type")]
EVENT: TypeAdapter[DurableEvent | LiveEvent] = TypeAdapter(Event)


class Recorded(Value):
    """An event with its place in the conversation.

    Live events carry the number of the last durable one; 0 marks an end that could not be recorded.
    """

    conversation_id: str
    turn_id: str
    seq: int
    at: datetime
    event: Event
