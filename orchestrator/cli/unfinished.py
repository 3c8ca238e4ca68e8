"""Whether a conversation is free: no turn of it is open, here or in another window."""

from __future__ import annotations

from orchestrator.conversations import Conversations
from orchestrator.errors import Conflict


async def check_finished(conversations: Conversations, conversation_id: str, advice: str) -> None:
    """Raise `Conflict` if a turn is open; `advice` says how to go on with one that no other window is at work on."""
    head = await conversations.find(conversation_id)
    if conversations.elsewhere(head):
        raise Conflict(f"Conversation {head.id} is at work in another window.", elsewhere_advice(head.id))
    if head.open_turn:
        raise Conflict(f"The last turn of conversation {head.id} did not finish.", advice)


def elsewhere_advice(conversation_id: str) -> str:
    """Return what to do about a turn that another window is at work on."""
    take_over = f"`orchestrator chat --resume {conversation_id} --take-over`"
    return f"Wait for it there, or stop it there. If that window is frozen, {take_over} takes the turn over."
