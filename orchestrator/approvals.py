"""The gate that asks a human, and the desk where a running call asks one.

Both wait on the journal, never on a memory of their own: a decision made after a restart counts as well.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from orchestrator.conversation import Conversation
from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    DurableEvent,
    LiveEvent,
    QuestionAnswered,
    QuestionAsked,
)
from orchestrator.journal import Journal
from orchestrator.messages import Call, Tool
from orchestrator.policy.rules import Decision, Policy
from orchestrator.policy.taint import CLEAN, Taint
from orchestrator.ports import Toolbox, Verdict


class HumanGate:
    """`ports.Gate`: what the rules leave open is asked, once, and the answer is kept.

    A rule that comes to allow a waiting call (the user said "this whole server" to the one before) answers it as well.
    """

    def __init__(self, journal: Journal, policy: Callable[[], Policy], toolbox: Toolbox) -> None:
        self._journal = journal
        self._policy = policy
        self._toolbox = toolbox

    async def allows(self, call: Call, tool: Tool) -> Verdict:
        decision = self._decision(call, tool)
        if decision.effect == "allow":
            return Verdict(True, decision.why)
        if decision.effect == "deny":
            return Verdict(False, f"denied ({decision.why}). Do without this tool, and tell the user.")
        asked = ApprovalRequested(call_id=call.id, tool=call.tool, arguments=call.arguments, why=decision.why)
        await self._journal.emit(asked)
        await self._journal.until(lambda now: bool(resolution(now, call.id)) or self._allowed_meanwhile(call, tool))
        if not (resolved := resolution(self._journal.conversation, call.id)):
            why = self._decision(call, tool).why
            await self._journal.emit(ApprovalResolved(call_id=call.id, allowed=True, rule=why, by="rule"))
            return Verdict(True, why)
        if resolved.allowed:
            return Verdict(
                True, f"allowed by the user{' beforehand' * (resolved.by == 'automatic')}", resolved.arguments
            )
        if resolved.by == "automatic":
            return Verdict(False, f"denied: {resolved.note or 'nobody was there to be asked'}. Tell the user.")
        note = f' The user says: "{resolved.note}"' if resolved.note else ""
        return Verdict(False, f"denied by the user.{note} Do not repeat this call; ask what to do instead.")

    def _allowed_meanwhile(self, call: Call, tool: Tool) -> bool:
        return self._decision(call, tool).effect == "allow"

    def _decision(self, call: Call, tool: Tool) -> Decision:
        return self._policy().decide(tool, call.arguments, datetime.now(UTC), self._taint())

    def _taint(self) -> Taint:
        """Return what came in since the user last spoke, which is when the open turn began."""
        tools = {tool.name: tool for tool in self._toolbox.tools()}
        taint = CLEAN
        for name in self._journal.conversation.turn.heard if self._journal.conversation.turn else ():
            taint = taint.after(name, tools.get(name))
        return taint


class HumanDesk:
    """`ports.Desk`: questions of servers go to the user through the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        await self._journal.emit(event)

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        await self._journal.emit(question)
        await self._journal.until(lambda conversation: reply(conversation, question.question_id) is not None)
        answer = reply(self._journal.conversation, question.question_id)
        return answer or QuestionAnswered(question_id=question.question_id, action="cancel")


def resolution(conversation: Conversation, call_id: str) -> ApprovalResolved | None:
    """Return what a human decided about the call, if anybody did."""
    one = conversation.turn.call(call_id) if conversation.turn else None
    return one.decision if one else None


def reply(conversation: Conversation, question_id: str) -> QuestionAnswered | None:
    """Return the user's answer to a server's question, if there is one."""
    answers = conversation.turn.answers if conversation.turn else ()
    return next((answer for answer in answers if answer.question_id == question_id), None)
