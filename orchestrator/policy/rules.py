"""Rules -> allow, ask or deny, and why. Pure: the same rules give the same answer in terminal, web and API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from orchestrator.messages import Tool

Effect = Literal["allow", "ask", "deny"]


@dataclass(frozen=True)
class Decision:
    """What the rules say about a call; `why` names the rule."""

    effect: Effect
    why: str


@dataclass(frozen=True)
class Policy:
    """Globs over `server__tool`, and the servers whose read-only hints are believed. The strictest match wins."""

    deny: tuple[str, ...] = ()
    ask: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    trusted: frozenset[str] = frozenset()

    def decide(self, tool: Tool) -> Decision:
        """Return what to do with a call of `tool`."""
        name = logical_name(tool)
        if rule := first_match(name, self.deny):
            return Decision("deny", f"rule: deny {rule}")
        if rule := first_match(name, self.ask):
            return Decision("ask", f"rule: ask {rule}")
        if rule := first_match(name, self.allow):
            return Decision("allow", f"rule: allow {rule}")
        if tool.read_only and tool.server in self.trusted:
            return Decision("allow", f"only reads, and {tool.server} is trusted")
        return Decision(
            "ask", "no rule allows it" if tool.read_only else "it may change something, and no rule allows it"
        )


def logical_name(tool: Tool) -> str:
    """Return the name that rules match: server and tool in full, however the model sees it."""
    return f"{tool.server}__{tool.original}"


def first_match(name: str, globs: Iterable[str]) -> str:
    """Return the first glob that matches `name`, or an empty string."""
    return next((glob for glob in globs if fnmatchcase(name, glob)), "")
