"""Rules -> allow, ask or deny, and why. Pure: the same rules give the same answer in terminal, web and API.

The strictest rule that matches counts: deny before ask before allow, wherever each of them was written. What no rule
speaks of runs if its tool only reads and its server is trusted; all else is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import Field, JsonValue

from orchestrator.messages import Tool, Value
from orchestrator.policy.taint import CLEAN, Taint, rearms

Effect = Literal["allow", "ask", "deny"]
Scope = Literal["config", "project", "user", "session"]
STRICTEST: tuple[Effect, ...] = ("deny", "ask", "allow")


class Rule(Value):
    """What to do with the calls it matches."""

    effect: Effect
    tool: str = "*"
    """A glob over `server__tool`, the tool's name in full."""
    where: dict[str, str] = Field(default_factory=dict)
    """Globs over arguments, by name; all must match. Text as it is, anything else as JSON."""
    read_only: bool = False
    """Only tools that their server calls read-only."""
    until: datetime | None = None
    """When it ends; None is never."""
    scope: Scope = "config"

    def matches(self, tool: Tool, arguments: Mapping[str, JsonValue], now: datetime) -> bool:
        """Whether the rule speaks of this call."""
        return (
            (self.until is None or now < self.until)
            and fnmatchcase(logical_name(tool), self.tool)
            and (tool.read_only or not self.read_only)
            and all(
                name in arguments and fnmatchcase(as_text(arguments[name]), glob) for name, glob in self.where.items()
            )
        )

    def __str__(self) -> str:
        """The rule as it is shown: `allow files__fs_write where path=notes/* (session)`."""
        only = " that only read" if self.read_only else ""
        where = "".join(f" where {name}={glob}" for name, glob in self.where.items())
        until = f" until {self.until:%Y-%m-%d %H:%M}" if self.until else ""
        return f"{self.effect} {self.tool}{only}{where}{until} ({self.scope})"


@dataclass(frozen=True)
class Decision:
    """What the rules say about a call; `why` names the rule, or says that there is none."""

    effect: Effect
    why: str
    rule: Rule | None = None


@dataclass(frozen=True)
class Policy:
    """All rules that hold, and the servers whose word that a tool only reads is believed."""

    rules: tuple[Rule, ...] = ()
    trusted: frozenset[str] = frozenset()

    def decide(self, tool: Tool, arguments: Mapping[str, JsonValue], now: datetime, taint: Taint = CLEAN) -> Decision:
        """Return what to do with a call of `tool`, after what came in since the user last spoke."""
        decision = self._by_rule(tool, arguments, now)
        if decision.effect == "allow" and (danger := rearms(tool, taint)):
            return Decision("ask", f"{danger} (otherwise: {decision.why})", decision.rule)
        return decision

    def hides(self, tool: Tool) -> bool:
        """Whether the tool is denied whatever its arguments, so that the model need not know of it."""
        whole = (rule for rule in self.rules if rule.effect == "deny" and not rule.where and rule.until is None)
        return any(fnmatchcase(logical_name(tool), rule.tool) and not rule.read_only for rule in whole)

    def _by_rule(self, tool: Tool, arguments: Mapping[str, JsonValue], now: datetime) -> Decision:
        matching = [rule for rule in self.rules if rule.matches(tool, arguments, now)]
        for effect in STRICTEST:
            if rule := next((one for one in matching if one.effect == effect), None):
                return Decision(effect, f"rule: {rule}", rule)
        if tool.read_only and tool.server in self.trusted:
            return Decision("allow", f"only reads, and {tool.server} is trusted")
        if tool.read_only:
            return Decision("ask", f"no rule allows it, and {tool.server} is not trusted to call it read-only")
        return Decision("ask", "it may change something, and no rule allows it")


def rules_of(effect: Effect, globs: Iterable[str], scope: Scope = "config") -> tuple[Rule, ...]:
    """Return a rule for each glob."""
    return tuple(Rule(effect=effect, tool=glob, scope=scope) for glob in globs)


def logical_name(tool: Tool) -> str:
    """Return the name that rules match: server and tool in full, however the model sees it."""
    return f"{tool.server}__{tool.original}"


def as_text(value: JsonValue) -> str:
    """Return an argument as rules match it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
