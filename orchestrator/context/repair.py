"""A history that a model accepts, whatever it went through: imported, forked, cut, written by an older version. Pure.

The Messages API refuses a request in which a call is not answered in the next message, once and in order, in which a
result answers nothing, or in which a message is empty; and then refuses every later one too. A history that the fold
made is right already and comes back as it is; so what was sent before stays the same, and with it the prompt cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from orchestrator.conversation import NOT_RUN
from orchestrator.messages import Block, Call, Message, Opaque, Result, Text, failed

OURS = ("tool_use", "tool_result")
BEGINNING = Text(text="(The beginning of this conversation is missing.)")


def repaired(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the history with each call answered in the next message, once and in order, and nothing empty."""
    sound: list[Message] = []
    waiting: tuple[Call, ...] = ()
    known: set[str] = set()
    for message in map(without_half_calls, messages):
        if waiting and message.role == "assistant":
            sound.append(answering(waiting, ()))
            waiting = ()
        if message.role == "user":
            fixed = answering(waiting, message.content) if waiting else without_results(message)
            waiting = ()
        else:
            fixed = without_repeated_calls(message, known)
            waiting = fixed.calls
            known.update(call.id for call in waiting)
        if fixed.content:
            sound.append(fixed)
    if waiting:
        sound.append(answering(waiting, ()))
    if sound and sound[0].role == "assistant":
        sound.insert(0, Message(role="user", content=(BEGINNING,)))
    return tuple(sound)


def answering(calls: Iterable[Call], content: Sequence[Block]) -> Message:
    """Return a message that answers the calls in order, with the results among `content`, before the rest of it."""
    results = {block.call_id: block for block in reversed(content) if isinstance(block, Result)}
    answers = tuple(results.get(call.id) or failed(call.id, NOT_RUN) for call in calls)
    rest = tuple(block for block in content if not isinstance(block, Result) and said(block))
    return Message(role="user", content=(*answers, *rest))


def without_results(message: Message) -> Message:
    """Return a user's message without results that answer nothing, and without empty text."""
    content = tuple(block for block in message.content if not isinstance(block, Result) and said(block))
    return message if content == message.content else message.model_copy(update={"content": content})


def without_repeated_calls(message: Message, known: set[str]) -> Message:
    """Return the model's message; calls whose id was used before are left out, all else is as it was."""
    ids = [call.id for call in message.calls]
    if not known.intersection(ids) and len(set(ids)) == len(ids):
        return message
    seen = set(known)
    content: list[Block] = []
    for block in message.content:
        if isinstance(block, Call) and block.id in seen:
            continue
        if isinstance(block, Call):
            seen.add(block.id)
        content.append(block)
    return message.model_copy(update={"content": tuple(content)})


def without_half_calls(message: Message) -> Message:
    """Return the message without blocks that are a call or a result to the provider, and to us are neither."""
    content = tuple(one for one in message.content if not (isinstance(one, Opaque) and one.wire.get("type") in OURS))
    return message if content == message.content else message.model_copy(update={"content": content})


def said(block: Block) -> bool:
    """Whether the block is more than blank text."""
    return not isinstance(block, Text) or bool(block.text.strip())
