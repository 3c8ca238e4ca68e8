"""Who takes part in a replayed turn: each says and does what was recorded."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import anyio
from pydantic import JsonValue

from orchestrator.errors import ModelError
from orchestrator.events import ApprovalRequested, DurableEvent, LiveEvent, QuestionAnswered, QuestionAsked
from orchestrator.messages import Answer, Call, Request, Result, Tool, failed, text_of
from orchestrator.ports import Desk, Emit, ServerStatus, Verdict
from orchestrator.replaying.cassette import Cassette, RecordedCall
from orchestrator.tools.scripted import offered


class CassetteModel:
    """`ports.Model`: gives the recorded answers in their order. After the last one it raises `ModelError`."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self._answers = iter(answers)

    async def ask(self, request: Request, emit: Emit) -> Answer:
        answer = next(self._answers, None)
        if answer is None:
            raise ModelError("The model is asked for more than it was asked when this was recorded.")
        return answer


class CassetteToolbox:
    """`ports.Toolbox`: finds the recorded result of a call by its id, else by its tool and arguments.

    Of several calls with the same arguments each result is given once, in order, and the last one from then on. A call
    that was recorded without a result does not come back; one that was not recorded is refused, and nothing is called.
    `tools` says what is offered; without it, what was called.
    """

    def __init__(self, calls: Sequence[RecordedCall], tools: Callable[[], tuple[Tool, ...]] | None = None) -> None:
        self._by_id = {one.call.id: one for one in calls}
        self._alike: defaultdict[str, list[Result]] = defaultdict(list)
        for one in calls:
            if one.result is not None:
                self._alike[fingerprint(one.call.tool, one.arguments)].append(one.result)
        names = sorted({one.call.tool for one in calls if one.started or one.asked})
        self._tools = tools or (lambda: tuple(offered(name) for name in names))

    def tools(self) -> tuple[Tool, ...]:
        """Return what is offered."""
        return self._tools()

    def servers(self) -> tuple[ServerStatus, ...]:
        """Return one ready server for each that has a tool."""
        names = [tool.server for tool in self.tools()]
        return tuple(ServerStatus(name, "ready", tools=names.count(name)) for name in dict.fromkeys(names))

    async def settled(self, seconds: float) -> None:
        """Return at once: nothing is starting here."""

    async def known(self, seconds: float) -> None:
        """Return at once: everything is known here."""

    async def call(self, call: Call, desk: Desk) -> Result:
        """Return what was recorded, or a result that says that nothing was."""
        one = self._by_id.get(call.id)
        if one and one.call.tool == call.tool and call.arguments in (one.arguments, one.call.arguments):
            if one.result is None:
                await anyio.sleep_forever()
            return one.result or failed(call.id, "")
        alike = self._alike.get(fingerprint(call.tool, call.arguments))
        if alike:
            found = alike.pop(0) if len(alike) > 1 else alike[0]
            return found.model_copy(update={"call_id": call.id})
        return failed(call.id, f"{NOT_RECORDED} {self._known(call.tool)}")

    def _known(self, tool: str) -> str:
        known = [one.arguments for one in self._by_id.values() if one.call.tool == tool and one.result]
        shown = ", ".join(json.dumps(arguments, ensure_ascii=False) for arguments in known[:3])
        return f"It was recorded with: {shown}." if shown else "It was not recorded with any arguments."


NOT_RECORDED = "not recorded: in this replay a call gets the result that it had, and this one was not made then."


class CassetteGate:
    """`ports.Gate`: asks, allows and refuses as it was recorded; `emit` takes the approvals that were asked."""

    def __init__(self, calls: Mapping[str, RecordedCall], emit: Emit) -> None:
        self._calls = calls
        self._emit = emit

    async def allows(self, call: Call, tool: Tool) -> Verdict:
        one = self._calls[call.id]
        if one.asked:
            why = one.asked.why
            asked = ApprovalRequested(call_id=call.id, tool=call.tool, arguments=call.arguments, why=why)
            await self._emit(asked)
        if one.started:
            return Verdict(True, one.started.why, one.edited if one.announced else None)
        if one.finished is None:
            await anyio.sleep_forever()
        return Verdict(False, text_of(one.finished.result.content) if one.finished else "")


class OpenGate:
    """`ports.Gate` that allows everything: for toolboxes that call nothing."""

    async def allows(self, call: Call, tool: Tool) -> Verdict:
        return Verdict(True, "nothing is really called in a replay")


class CassetteDesk:
    """`ports.Desk`: answers a server's question as it was answered; one that was not recorded is cancelled."""

    def __init__(self, cassette: Cassette) -> None:
        self._answers: defaultdict[tuple[str, str], list[QuestionAnswered]] = defaultdict(list)
        events = [recorded.event for recorded in cassette.events]
        given = {event.question_id: event for event in events if isinstance(event, QuestionAnswered)}
        for event in events:
            if isinstance(event, QuestionAsked) and event.question_id in given:
                self._answers[event.server, event.text].append(given[event.question_id])

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        """Nobody watches."""

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        waiting = self._answers.get((question.server, question.text))
        if not waiting:
            return QuestionAnswered(question_id=question.question_id, action="cancel")
        return waiting.pop(0).model_copy(update={"question_id": question.question_id})


def fingerprint(tool: str, arguments: dict[str, JsonValue]) -> str:
    """Return the same text for the same call, whatever the order of its arguments."""
    return tool + json.dumps(arguments, sort_keys=True)
