"""A conversation as a scenario: what the simulator has to be told so that it says and calls the same again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, assert_never

from orchestrator.context.repair import repaired
from orchestrator.conversation import Conversation
from orchestrator.events import StepFinished, TurnFinished
from orchestrator.messages import Block, Call, Image, Message, Opaque, Result, Text
from orchestrator.models import wire
from orchestrator.replaying.cassette import Cassette
from simulator.answer import Answer
from simulator.faults import Fault
from simulator.mind import Mind
from simulator.request import Message as Sent
from simulator.scenario import Rule, Scenario, dump
from simulator.situation import Situation, read

FAULTS = {
    "model_overloaded": ("529", 4),
    "model_resting": ("529", 4),
    "model_unreachable": ("reset", 4),
    "model_cut": ("cut", 4),
    "model_refused_key": ("401", 1),
    "model_rejected": ("400", 1),
}
"""By the code of a turn's failure: the fault that brings it about, and how often, as the model is asked again."""
LONGEST_PATTERN = 160
SAYABLE = ("done", "calls", "refused")
SILENT = "(nothing was said)"


@dataclass(frozen=True)
class Step:
    """A request of then, and the rule that answers it."""

    situation: Situation
    rule: Rule


def scenario_of(cassette: Cassette) -> tuple[str, list[str]]:
    """Return the scenario as YAML, and what of the conversation it cannot say.

    Its rules hold as often as they fit; only if they could not be told apart then, each is for one use, in order.
    """
    steps, remarks = steps_of(cassette)
    if not steps:
        return dump(Scenario((Rule(user="*", say=SILENT),), cassette.conversation_id)), ["The model never answered."]
    rules: list[Rule] = []
    for step in steps:
        rules += [step.rule] if step.rule not in rules else []
    scenario = Scenario(tuple(rules), cassette.conversation_id)
    if not reproduces(scenario, steps):
        once = tuple(replace(step.rule, times=step.rule.times or 1) for step in steps)
        scenario = Scenario(once, cassette.conversation_id)
        if not reproduces(scenario, steps):
            remarks.append("Some steps cannot be told apart by words and tools; the simulator may answer otherwise.")
    return dump(scenario), remarks


def steps_of(cassette: Cassette) -> tuple[list[Step], list[str]]:
    """Return the requests of the conversation with a rule for each, and remarks on what no rule can say."""
    steps: list[Step] = []
    remarks: list[str] = []
    conversation = Conversation(cassette.conversation_id)
    for recorded in cassette.events:
        event = recorded.event
        if isinstance(event, StepFinished):
            if event.stop not in SAYABLE:
                remarks.append(f"Event {recorded.seq}: the model stopped by {event.stop!r}; here it just ends.")
            if (situation := situation_of(conversation)) is None:
                remarks.append(f"Event {recorded.seq}: the model went on after its own words, which no rule can say.")
            else:
                steps.append(Step(situation, rule_of(situation, event)))
        elif isinstance(event, TurnFinished) and event.code in FAULTS and (situation := situation_of(conversation)):
            kind, times = FAULTS[event.code]
            steps.append(Step(situation, replace(when(situation), fail=Fault(kind), times=times)))
        conversation = conversation.after(recorded)
    return steps, remarks


def rule_of(situation: Situation, event: StepFinished) -> Rule:
    """Return the rule that gives this answer in this situation."""
    thoughts = [block.wire.get("thinking") for block in event.message.content if isinstance(block, Opaque)]
    calls = tuple((call.tool, dict[str, Any](call.arguments)) for call in event.message.calls)
    said = Rule(
        think="\n\n".join(thought for thought in thoughts if isinstance(thought, str) and thought.strip()) or None,
        say=event.message.text if event.message.text.strip() else None,
        calls=calls if event.stop == "calls" else (),
        refuse="yes" if event.stop == "refused" else None,
    )
    if not (said.say or said.think or said.calls or said.refuse):
        said = replace(said, say=SILENT)
    return replace(said, user=when(situation).user, tool=when(situation).tool)


def when(situation: Situation) -> Rule:
    """Return the first half of the rule for a situation: the user's words, or the tool that answered last."""
    if situation.done:
        return Rule(tool=situation.done[-1].name)
    words = " ".join(situation.text.split())
    if not words:
        return Rule(user="*")
    if len(words) > LONGEST_PATTERN:
        words = words[:LONGEST_PATTERN].rpartition(" ")[0] or words[:LONGEST_PATTERN]
    if words == "*" or (len(words) > 2 and words.startswith("/") and words.endswith("/")):
        words = f"/{re.escape(words)}/"
    return Rule(user=words)


def situation_of(conversation: Conversation) -> Situation | None:
    """Return what the simulator would see at this point; None if the model had the last word."""
    sent = [plain(message) for message in repaired(conversation.messages)]
    if not sent or sent[-1].role != "user":
        return None
    wired = [message for message in wire.messages(sent) if message["content"]]
    return read([Sent.model_validate(message) for message in wired], ())


def plain(message: Message) -> Message:
    """Return the message with its words, calls and results alone: what rules speak of."""
    content: list[Block] = []
    for block in message.content:
        match block:
            case Text():
                content.append(Text(text=block.text))
            case Call():
                content.append(block.model_copy(update={"extra": {}}))
            case Result():
                texts = tuple(Text(text=part.text) for part in block.content if isinstance(part, Text))
                content.append(block.model_copy(update={"content": texts}))
            case Image() | Opaque():
                pass
            case _:
                assert_never(block)
    return message.model_copy(update={"content": tuple(content)})


def reproduces(scenario: Scenario, steps: Iterable[Step]) -> bool:
    """Whether the simulator would answer each request as the model did."""
    mind = Mind(scenario)
    return all(
        mind.fault(step.situation) == step.rule.fail
        if step.rule.fail
        else mind.fault(step.situation) is None and mind.answer(step.situation) == literal(step.rule)
        for step in steps
        for _ in range(step.rule.times or 1)
    )


def literal(rule: Rule) -> Answer:
    """Return what the rule says when nothing in it is taken for a placeholder."""
    return rule.answer(Situation("", (), (), introduced=True))
