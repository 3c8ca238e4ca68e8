"""The standing rules that an approval can be answered with, besides yes and no. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from orchestrator.events import ApprovalRequested
from orchestrator.messages import Tool
from orchestrator.policy.rules import Decision, Policy, Rule, Scope, logical_name

SCOPES: Mapping[str, tuple[Scope, str]] = {
    "s": ("session", "until this program ends"),
    "f": ("project", "in this folder"),
    "a": ("user", "always, in every folder"),
}
WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Standing:
    """What is known when somebody is asked: the tools, and the rules that hold."""

    tools: Callable[[], Iterable[Tool]]
    policy: Callable[[], Policy]

    def offers(self, request: ApprovalRequested) -> Mapping[str, Rule]:
        """Return the rules that would answer such calls from now on, by their keys.

        A rule that allows is offered only where it would help: not where a rule says to ask, and not where an allowed
        call is asked about because text from outside came in.
        """
        tool = self._tool(request.tool)
        if tool is None:
            return {}
        name, server = literal(logical_name(tool)), literal(tool.server)
        never = {"N": Rule(effect="deny", tool=name)}
        decision = self._decision(tool, request)
        if decision.effect != "ask" or decision.rule is not None:
            return never
        reading = {"r": Rule(effect="allow", tool=f"{server}__*", read_only=True)} if tool.read_only else {}
        whole = {"s": Rule(effect="allow", tool=f"{server}__*")}
        return {"t": Rule(effect="allow", tool=name)} | reading | whole | never

    def allows(self, request: ApprovalRequested) -> bool:
        """Whether the rules allow by now what is asked."""
        tool = self._tool(request.tool)
        return tool is not None and self._decision(tool, request).effect == "allow"

    def faults(self, request: ApprovalRequested, arguments: Mapping[str, JsonValue]) -> list[str]:
        """Return what the tool would refuse in these arguments."""
        from orchestrator.tools.schemas import Checker

        tool = self._tool(request.tool)
        return Checker(tool.input_schema).faults(arguments) if tool else []

    def _tool(self, name: str) -> Tool | None:
        return next((tool for tool in self.tools() if tool.name == name), None)

    def _decision(self, tool: Tool, request: ApprovalRequested) -> Decision:
        return self.policy().decide(tool, request.arguments, datetime.now(UTC))


NOTHING_STANDS = Standing(tools=tuple[Tool, ...], policy=Policy)


def literal(name: str) -> str:
    """Return a glob that matches this name alone."""
    return WILD.sub(r"[\g<0>]", name)
