"""How a model may be told to think, and whether its thinking comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from simulator import betas as beta
from simulator import prefix, signatures
from simulator.catalog import ModelCard
from simulator.errors import Refused
from simulator.parsing import Request
from simulator.request import Body, FallbackModel, OutputConfig, Prompt, ThinkingConfig
from simulator.shapes import Json

MODIFIED = (
    "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified. These blocks must "
    "remain as they were in the original response."
)
MOVED = (
    "Invalid `signature` in `thinking` block. The block is bound to a different conversation: `system`, `tools` or an "
    "earlier message changed since it was made."
)


@dataclass(frozen=True)
class Dropped:
    """A thinking block that the model will not see."""

    place: str
    reason: str
    position: tuple[int, int]

    def reported(self) -> Json:
        """Return it as `input_transformations` tells it."""
        return {"type": "thinking_dropped", "path": self.place, "reason": self.reason}


def check_config(
    config: ThinkingConfig | None,
    output: OutputConfig | None,
    model: ModelCard,
    most: int | None,
    betas: frozenset[str],
) -> None:
    """Raise `Refused` if `model` cannot think as asked, or not with that effort, within `most` tokens."""
    effort = output.effort if output else None
    if effort and not model.effort:
        raise Refused("output_config.effort: This model does not support the effort parameter.")
    if effort == "xhigh" and not model.xhigh:
        raise Refused("output_config.effort: 'xhigh' is not supported for this model.")
    if output and output.task_budget and beta.TASK_BUDGET not in betas:
        raise Refused("output_config.task_budget: Extra inputs are not permitted")
    if config is None:
        return
    if config.type not in model.kinds:
        raise Refused(
            f'"thinking.type.{config.type}" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )
    _check_fields(config, betas)
    if config.type == "enabled" and config.budget_tokens is None:
        raise Refused("thinking.enabled.budget_tokens: Field required")
    if config.budget_tokens and most is not None and config.budget_tokens >= most:
        raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if config.type == "disabled" and model.id == "claude-opus-5" and effort in ("xhigh", "max"):
        raise Refused("thinking.type.disabled: thinking cannot be disabled with effort above high on this model.")


def _check_fields(config: ThinkingConfig, betas: frozenset[str]) -> None:
    """Raise for a field that this kind of thinking does not have, or that its header does not open."""
    allowed = {"adaptive": ("display", "block_binding"), "enabled": ("display", "block_binding", "budget_tokens")}
    for field in ("budget_tokens", "display", "block_binding"):
        if getattr(config, field) is not None and field not in allowed.get(config.type, ()):
            raise Refused(f"thinking.{config.type}.{field}: Extra inputs are not permitted")
    if config.block_binding is not None and beta.BINDING not in betas:
        raise Refused(f"thinking.{config.type}.block_binding: Extra inputs are not permitted")
    if config.display == "updates" and beta.UPDATES not in betas:
        raise Refused(f"thinking.{config.type}.display: Input should be 'summarized' or 'omitted'")


def check_fallbacks(request: Request[Body]) -> None:
    """Raise `Refused` for a fallback that the model does not allow, or that cannot do what is asked."""
    entries = request.body.fallbacks
    if not isinstance(entries, list):
        return
    for index, entry in enumerate(entries):
        if entry.model not in request.model.fallbacks:
            raise Refused(
                f"fallbacks.{index}.model: {entry.model} is not an allowed fallback for {request.model.id}. Allowed: "
                f"{', '.join(request.model.fallbacks) or 'none'}"
            )
    if len({entry.model for entry in entries}) != len(entries):
        raise Refused("fallbacks: models must be unique")


def setting(config: ThinkingConfig | None) -> str:
    """Return what happens to thinking whose prefix changed: `error` or `drop_block`."""
    binding = config.block_binding if config else None
    return (binding.prefix_mismatch_behavior if binding else None) or "error"


def check_blocks(request: Request[Prompt], known: Mapping[str, tuple[str, ...]]) -> tuple[Dropped, ...]:
    """Return the thinking blocks that are left out. Raises `Refused` for one that was changed, or moved.

    `known` tells, by the id of a tool use, the signatures of the thinking in the message that made it.
    """
    latest = max((n for n, m in enumerate(request.body.messages) if m.role == "assistant"), default=-1)
    if latest >= 0:
        _check_complete(request, latest, known)
    return tuple(_faulty(request, latest))


def _check_complete(request: Request[Prompt], latest: int, known: Mapping[str, tuple[str, ...]]) -> None:
    """Raise if the latest assistant message has lost thinking that it had."""
    content = request.body.messages[latest].content
    there = [block.signature for block in content if block.type == "thinking"]
    for block in content:
        if block.type == "tool_use" and any(signature not in there for signature in known.get(block.id, ())):
            raise Refused(f"messages.{latest}.content: {MODIFIED}")


def _faulty(request: Request[Prompt], latest: int) -> Iterator[Dropped]:
    behaviour = setting(request.body.thinking)
    if not any(block.type == "thinking" for message in request.body.messages for block in message.content):
        return
    for position in prefix.walk(request.sent):
        if position.block.get("type") != "thinking":
            continue
        number, index = _numbers(position.place)
        block = position.block
        fault = signatures.thinking_fault(
            str(block["thinking"]), str(block["signature"]), request.model.id, position.before
        )
        if fault == "model":
            yield Dropped(position.place, "model_binding_mismatch", (number, index))
        elif fault == "prefix" and request.model.bound_thinking:
            if behaviour == "error":
                raise Refused(f"{position.place}: {MOVED}")
            yield Dropped(position.place, "prefix_binding_mismatch", (number, index))
        elif fault == "forged":
            words = MODIFIED if number == latest else "Invalid `signature` in `thinking` block"
            raise Refused(f"{position.place}: {words}")


def _numbers(place: str) -> tuple[int, int]:
    _, message, _, block = place.split(".")
    return int(message), int(block)


def without(sent: Json, dropped: Sequence[Dropped]) -> Json:
    """Return a request without the dropped thinking."""
    gone = {one.position for one in dropped}
    messages = [
        message
        | {
            "content": [
                block for index, block in enumerate(prefix.blocks_of(message["content"])) if (number, index) not in gone
            ]
        }
        for number, message in enumerate(sent["messages"])
    ]
    return sent | {"messages": messages}


def for_fallback(entry: FallbackModel, model: ModelCard, betas: frozenset[str]) -> None:
    """Raise `Refused` if a fallback's own settings do not suit its model."""
    check_config(entry.thinking, entry.output_config, model, entry.max_tokens, betas)
