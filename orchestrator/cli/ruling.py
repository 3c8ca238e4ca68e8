"""`policy show, why, test, suggest`: the rules, what they say of a call, and what they would have said in the past."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio
from pydantic import TypeAdapter, ValidationError

from orchestrator.app import History, open_history
from orchestrator.cli.asking import arguments_of
from orchestrator.cli.cleaning import clean, one_line
from orchestrator.cli.fields import NotAnAnswer
from orchestrator.cli.lists import longest_wait
from orchestrator.cli.opening import configured
from orchestrator.cli.options import Options
from orchestrator.cli.rows import arguments_row, plural
from orchestrator.config import Config, PolicyConfig
from orchestrator.errors import NotFound, UsageError
from orchestrator.events import ApprovalResolved, Recorded, StepFinished
from orchestrator.logs import logging_to
from orchestrator.messages import Tool
from orchestrator.policy.grants import FILE
from orchestrator.policy.rehearsal import Rehearsal, rehearse
from orchestrator.policy.rehearsal import suggest as suggested
from orchestrator.policy.rules import STRICTEST, Policy, Rule, Scope, logical_name, rules_of
from orchestrator.tools.toolbox import open_toolbox, remembered

ALL = 1_000_000
SHOWN = 20
"""How many of the calls that would have run are named."""
WHERE = {
    "config": "the config file",
    "project": "given for this folder",
    "user": "given for every folder",
    "session": "given for this session",
}
GIVEN = ("project", "user")
KEPT = "Given rules are kept in {}; take one back by deleting it there."
RULES: TypeAdapter[PolicyConfig | tuple[Rule, ...]] = TypeAdapter(PolicyConfig | tuple[Rule, ...])


@dataclass(frozen=True)
class Bench:
    """What a command about rules works with."""

    config: Config
    history: History
    tools: tuple[Tool, ...]

    async def past(self) -> list[list[Recorded]]:
        """Return all that was recorded, by conversation."""
        heads = await self.history.conversations.heads(ALL)
        return [await self.history.conversations.events(head.id) for head in heads]


def at_bench(options: Options, work: Callable[[Bench], Awaitable[list[str]]], *, tools: bool = True) -> int:
    """Write the rows that `work` makes."""
    config = configured(options, interactive=sys.stdin.isatty() and sys.stderr.isatty())

    async def opened() -> list[str]:
        async with open_history(config, env=os.environ) as past:
            return await work(Bench(config, past, await known_tools(config) if tools else ()))

    with logging_to(config.data_dir, env=os.environ, verbose=options.verbose):
        rows = anyio.run(opened)
    sys.stdout.writelines(f"{row}\n" for row in rows)
    return 0


async def known_tools(config: Config) -> tuple[Tool, ...]:
    """Return the tools as they were last seen; servers that were never seen are started for it."""
    folder = config.data_dir / "servers"
    missing = {
        name: one
        for name, one in config.mcp_servers.items()
        if not one.disabled and name not in remembered(config.mcp_servers, folder)
    }
    if missing:
        async with open_toolbox(missing, env=os.environ, state_dir=folder) as toolbox:
            await toolbox.settled(longest_wait(config))
    found = remembered(config.mcp_servers, folder)
    return tuple(tool for tools in found.values() for tool in tools)


def show(options: Options) -> int:
    """Show the rules that hold here, the strictest first, and the servers that are trusted."""

    async def rows(bench: Bench) -> list[str]:
        policy = bench.history.policy()
        ordered = [rule for effect in STRICTEST for rule in policy.rules if rule.effect == effect]
        width = max((len(str(rule)) for rule in ordered), default=0)
        shown = [f"{str(rule).ljust(min(width, 90))}  {WHERE[rule.scope]}" for rule in ordered]
        trusted = ", ".join(one_line(name, 40) for name in sorted(policy.trusted)) or "none"
        return [
            *(clean(row) for row in shown or ["There are no rules."]),
            *([KEPT.format(bench.config.data_dir / FILE)] if any(rule.scope in GIVEN for rule in ordered) else []),
            f"trusted to say which of their tools only read: {trusted}",
            "Without a rule: what only reads and is trusted runs; all else is asked.",
        ]

    return at_bench(options, rows, tools=False)


def why(options: Options, name: str, text: str) -> int:
    """Say what would be done with a call now, and the rule that decides."""
    try:
        arguments = arguments_of(text)
    except NotAnAnswer as wrong:
        raise UsageError(f"{one_line(text, 80)}: {wrong}", """Quote it: '{"path": "notes/tea.md"}'.""") from None

    async def rows(bench: Bench) -> list[str]:
        tool = found(bench.tools, name)
        policy = bench.history.policy()
        decision = policy.decide(tool, arguments, datetime.now(UTC))
        others = [rule for rule in policy.rules if rule.matches(tool, arguments, datetime.now(UTC))]
        called = f"{logical_name(tool)} {arguments_row(arguments)}".rstrip()
        rows = [f"{decision.effect}: {one_line(called, 200)}", f"  because: {one_line(decision.why, 240)}"]
        rows += [f"  also matches: {one_line(str(rule), 200)}" for rule in others if rule != decision.rule]
        if policy.hides(tool):
            rows.append("  the model is not even told of this tool")
        if decision.effect == "allow" and (not tool.read_only or tool.open_world):
            rows.append("  asked all the same once text from outside came in since you spoke (see docs/policy.md)")
        return rows

    return at_bench(options, rows)


def found(tools: Sequence[Tool], name: str) -> Tool:
    """Return the tool of this name, as the model says it or in full. Raises `NotFound`."""
    by_name = {logical_name(tool): tool for tool in tools} | {tool.name: tool for tool in tools}
    if name not in by_name:
        near = difflib.get_close_matches(name, by_name, n=3)
        advice = f"The nearest: {', '.join(near)}." if near else "See `orchestrator tools`."
        raise NotFound(f"No tool {name!r} is known here.", advice)
    return by_name[name]


def test(options: Options, file: Path | None) -> int:
    """Say what the rules would have done with every call of the past."""

    async def rows(bench: Bench) -> list[str]:
        policy = bench.history.policy() if file is None else policy_in(file, bench.history.policy().trusted)
        past = await bench.past()
        rehearsal = rehearse(past, bench.tools, policy)
        steps = [one.event for events in past for one in events if isinstance(one.event, StepFinished)]
        made = sum(len(step.message.calls) for step in steps)
        return rehearsal_rows(rehearsal, len(past), made - rehearsal.calls)

    return at_bench(options, rows)


def rehearsal_rows(rehearsal: Rehearsal, conversations: int, unknown: int) -> list[str]:
    """Return `61 questions -> 4`, and the calls that would have run."""
    calls = (
        f"{rehearsal.calls:,} call{plural(rehearsal.calls)} in {conversations:,} conversation{plural(conversations)}"
    )
    head = f"{rehearsal.asked_then} question{plural(rehearsal.asked_then)} -> {rehearsal.asked_now}"
    refused = f"; {rehearsal.denied_now} would be refused" if rehearsal.denied_now else ""
    rows = [f"{head}  ({calls}{refused})"]
    count = len(rehearsal.passed)
    if count:
        rows.append(f"{count} that may change something would have passed without a question:")
        rows += [
            f"  {one_line(call.tool)} {arguments_row(call.arguments)}".rstrip() for call in rehearsal.passed[:SHOWN]
        ]
    if count > SHOWN:
        rows.append(f"  … and {count - SHOWN} more")
    if unknown:
        rows.append(f"{unknown} call{plural(unknown)} of tools that are not known here any more left out.")
    return rows


def policy_in(file: Path, trusted: Iterable[str]) -> Policy:
    """Return the rules of a file: a list of rules, or a `policy` section as it stands in the config."""
    try:
        rules = RULES.validate_json(file.read_bytes())
    except OSError as failure:
        raise UsageError(f"{file} cannot be read: {failure.strerror}.", "Name a JSON file.") from None
    except ValidationError as wrong:
        first = wrong.errors()[0]["msg"]
        advice = 'It holds {"allow": ["files__*"], …} as in the config, or a list of rules (see docs/policy.md).'
        raise UsageError(f"{file} cannot be used: {first}.", advice) from None
    if isinstance(rules, tuple):
        return Policy(rules, frozenset(trusted))
    written = tuple(rule for effect in STRICTEST for rule in rules_of(effect, getattr(rules, effect)))
    return Policy(written, frozenset(trusted) | frozenset(rules.trust))


def suggest(options: Options, *, save: bool, scope: Scope) -> int:
    """Propose rules for what was always allowed by hand; keep them, if `save`."""

    async def rows(bench: Bench) -> list[str]:
        past = [[one for one in events if by_hand(one)] for events in await bench.past()]
        held = {(rule.effect, rule.tool) for rule in bench.history.policy().rules}
        new = [
            (rule, count) for rule, count in suggested(past, bench.tools, scope) if (rule.effect, rule.tool) not in held
        ]
        if not new:
            return ["Nothing to suggest: no tool was allowed by hand at least twice, and never refused."]
        shown = [f"{one_line(str(rule), 160)}  would have saved {count} questions" for rule, count in new]
        if not save:
            return [*shown, "`--save` keeps them."]
        for rule, _ in new:
            bench.history.grants.give(rule)
        return [*shown, "Kept. `orchestrator policy show` lists all rules."]

    return at_bench(options, rows)


def by_hand(recorded: Recorded) -> bool:
    """Whether the event tells of the user's own decision, or of something else than a decision."""
    return not (isinstance(recorded.event, ApprovalResolved) and recorded.event.by != "user")
