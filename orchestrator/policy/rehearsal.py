"""What a set of rules would have done with the calls of the past, and which rules the past suggests. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.conversation import Conversation
from orchestrator.events import ApprovalRequested, ApprovalResolved, Recorded, StepFinished
from orchestrator.messages import Call, Tool
from orchestrator.policy.rules import Policy, Rule, Scope, logical_name
from orchestrator.policy.taint import CLEAN, Taint

ENOUGH = 2
"""How often a tool must have been allowed, and never denied, before a rule for it is suggested."""


@dataclass(frozen=True)
class Rehearsal:
    """The calls of the past under other rules. `passed` may change something, and would now run without a question."""

    calls: int
    asked_then: int
    asked_now: int
    denied_now: int
    passed: tuple[Call, ...]


def rehearse(conversations: Iterable[Iterable[Recorded]], tools: Iterable[Tool], policy: Policy) -> Rehearsal:
    """Return what `policy` would have done with every call that was ever made of a tool that is known today."""
    known = {tool.name: tool for tool in tools}
    calls = asked_then = asked_now = denied_now = 0
    passed: list[Call] = []
    for events in conversations:
        asked = set[str]()
        for recorded, call, taint in calls_of(events, known, asked):
            calls += 1
            decision = policy.decide(known[call.tool], call.arguments, recorded.at, taint)
            asked_now += decision.effect == "ask"
            denied_now += decision.effect == "deny"
            if decision.effect == "allow" and not known[call.tool].read_only:
                passed.append(call)
        asked_then += len(asked)
    return Rehearsal(calls, asked_then, asked_now, denied_now, tuple(passed))


def calls_of(
    events: Iterable[Recorded], known: Mapping[str, Tool], asked: set[str]
) -> Iterable[tuple[Recorded, Call, Taint]]:
    """Return each call of a known tool with what had come in before; the ids of those that were asked go to `asked`."""
    conversation = Conversation("rehearsal")
    for recorded in events:
        conversation = conversation.after(recorded)
        if isinstance(recorded.event, ApprovalRequested):
            asked.add(recorded.event.call_id)
        if isinstance(recorded.event, StepFinished):
            taint = CLEAN
            for name in conversation.turn.heard if conversation.turn else ():
                taint = taint.after(name, known.get(name))
            for call in recorded.event.message.calls:
                if call.tool in known:
                    yield recorded, call, taint


def suggest(conversations: Iterable[Iterable[Recorded]], tools: Iterable[Tool], scope: Scope) -> list[tuple[Rule, int]]:
    """Return rules that would have saved questions, and how many: for tools always allowed when they were asked."""
    known = {tool.name: tool for tool in tools}
    allowed, denied = Counter[str](), Counter[str]()
    for events in conversations:
        names: dict[str, str] = {}
        for recorded in events:
            event = recorded.event
            if isinstance(event, ApprovalRequested):
                names[event.call_id] = event.tool
            elif isinstance(event, ApprovalResolved) and event.call_id in names:
                (allowed if event.allowed else denied)[names[event.call_id]] += 1
    always = [(name, count) for name, count in allowed.most_common() if count >= ENOUGH and not denied[name]]
    return [
        (Rule(effect="allow", tool=logical_name(known[name]), scope=scope), count)
        for name, count in always
        if name in known
    ]
