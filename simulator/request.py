"""The body of `POST /v1/messages`, field by field."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from simulator.blocks import Block, Text, as_blocks
from simulator.definitions import Definition, McpServer, ToolChoice
from simulator.shapes import CacheControl, Json, Shape

Effort = Literal["low", "medium", "high", "xhigh", "max"]


class MessageOutput(Shape):
    """The effort from a system message on."""

    effort: Effort | None = None


class Message(Shape):
    """One message; a string as content is one text block."""

    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Block], BeforeValidator(as_blocks)]
    clear_at: Literal["never", "next_user_message"] | None = None
    output_config: MessageOutput | None = None


class Binding(Shape):
    """What happens to thinking whose prefix changed."""

    prefix_mismatch_behavior: Literal["error", "drop_block"] | None = None


class ThinkingConfig(Shape):
    """How the model thinks; which kinds exist depends on the model."""

    type: Literal["adaptive", "enabled", "disabled", "between_tools"]
    budget_tokens: Annotated[int, Field(ge=1024)] | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None
    block_binding: Binding | None = None


class JsonFormat(Shape):
    """The answer's shape."""

    type: Literal["json_schema"]
    schema_: Annotated[Json, Field(alias="schema")]


class TaskBudget(Shape):
    """How many tokens the task may take, told to the model."""

    type: Literal["tokens"]
    total: Annotated[int, Field(ge=1)]
    remaining: Annotated[int, Field(ge=0)] | None = None


class OutputConfig(Shape):
    """Effort, format, budget."""

    effort: Effort | None = None
    format: JsonFormat | None = None
    task_budget: TaskBudget | None = None


class TokensValue(Shape):
    """A number of input tokens."""

    type: Literal["input_tokens"]
    value: Annotated[int, Field(ge=0)]


class CountValue(Shape):
    """A number of tool uses."""

    type: Literal["tool_uses"]
    value: Annotated[int, Field(ge=0)]


class TurnsValue(Shape):
    """A number of turns with thinking."""

    type: Literal["thinking_turns"]
    value: Annotated[int, Field(ge=1)]


class AllTurns(Shape):
    """All turns."""

    type: Literal["all"]


class ClearToolUses(Shape):
    """Old tool results are replaced by a placeholder."""

    type: Literal["clear_tool_uses_20250919"]
    trigger: Annotated[TokensValue | CountValue, Field(discriminator="type")] = TokensValue(
        type="input_tokens", value=100_000
    )
    keep: CountValue = CountValue(type="tool_uses", value=3)
    clear_at_least: TokensValue | None = None
    exclude_tools: list[str] | None = None
    clear_tool_inputs: bool | list[str] | None = None


class ClearThinking(Shape):
    """Old thinking is left out."""

    type: Literal["clear_thinking_20251015"]
    keep: TurnsValue | AllTurns | Literal["all"] | None = None


class CompactAt(Shape):
    """Everything is summarised once the input passes the trigger."""

    type: Literal["compact_20260112"]
    trigger: TokensValue | None = None
    pause_after_compaction: bool = False
    instructions: str | None = None


Edit = Annotated[ClearToolUses | ClearThinking | CompactAt, Field(discriminator="type")]


class ContextManagement(Shape):
    """What the API may leave out by itself."""

    edits: list[Edit] = Field(default=[])


class CompactionConfig(Shape):
    """Asks for a summary instead of an answer."""

    type: Literal["summarize"]
    instructions: Annotated[str, Field(max_length=16_384)] | None = None


class Diagnostics(Shape):
    """Asks why the cache missed."""

    previous_message_id: str | None = None


class FallbackModel(Shape):
    """A model to try when the first one refuses."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    speed: Literal["standard", "fast"] | None = None


class CreditToken(Shape):
    """A credit from a refusal."""

    token: str
    mode: Literal["strict", "best_effort"] = "strict"


class BillingPolicy(Shape):
    """Who pays."""

    type: Literal["billing_policy"]
    bill_to: Literal["self", "user_profile"] = "self"


class Skill(Shape):
    """A skill for the code container."""

    skill_id: str
    type: Literal["anthropic", "custom"]
    version: str = "latest"


class Container(Shape):
    """The code container."""

    id: str | None = None
    skills: list[Skill] | None = None


class Metadata(Shape):
    """Who the end user is."""

    user_id: str | None = None


class Prompt(Shape):
    """What both `messages` and `count_tokens` take."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: Annotated[list[Message], Field(max_length=100_000)]
    system: Annotated[list[Text], BeforeValidator(as_blocks)] = Field(default=[])
    tools: list[Definition] = Field(default=[])
    tool_choice: ToolChoice | None = None
    thinking: ThinkingConfig | None = None
    cache_control: CacheControl | None = None
    context_management: ContextManagement | None = None
    compaction: CompactionConfig | None = None
    mcp_servers: list[McpServer] = Field(default=[])
    output_config: OutputConfig | None = None
    speed: Literal["standard", "fast"] | None = None


class Body(Prompt):
    """What `messages` takes."""

    max_tokens: Annotated[int, Field(ge=0)]
    stream: bool = False
    stop_sequences: list[str] = Field(default=[])
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] = "auto"
    inference_geo: str | None = None
    diagnostics: Diagnostics | None = None
    fallbacks: list[FallbackModel] | Literal["default"] | None = None
    fallback_credit_token: str | CreditToken | None = None
    billing_policy: BillingPolicy | None = None
    container: str | Container | None = None
    temperature: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, strict=False)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
