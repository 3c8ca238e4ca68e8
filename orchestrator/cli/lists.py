"""`servers`, `tools`, `conversations`: what there is, as rows and as JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable
from functools import partial

from orchestrator.app import App, History
from orchestrator.cli.cleaning import clean, one_line
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.looking import looked_up
from orchestrator.cli.opening import run
from orchestrator.cli.options import Options
from orchestrator.cli.rows import duration, plural
from orchestrator.cli.transcript import transcript
from orchestrator.config import Config
from orchestrator.messages import Tool
from orchestrator.ports import Head, ServerStatus


def servers(options: Options, *, as_json: bool) -> int:
    """Show how each server does, once all are ready or have failed; 4 if a required one has."""
    return run(partial(_servers, as_json=as_json), options, interactive=sys.stdin.isatty() and sys.stderr.isatty())


async def _servers(app: App, _: Interrupts, *, as_json: bool) -> int:
    await app.toolbox.settled(longest_wait(app.config))
    found = app.toolbox.servers()
    _write([json.dumps([dataclasses.asdict(one) for one in found], indent=2)] if as_json else server_rows(found))
    return 4 if any(one.required and one.state != "ready" for one in found) else 0


def tools(options: Options, *, as_json: bool) -> int:
    """Show what the model may call."""
    return run(partial(_tools, as_json=as_json), options, interactive=sys.stdin.isatty() and sys.stderr.isatty())


async def _tools(app: App, _: Interrupts, *, as_json: bool) -> int:
    await app.toolbox.settled(longest_wait(app.config))
    found = app.toolbox.tools()
    _write([json.dumps([tool.model_dump() for tool in found], indent=2)] if as_json else tool_rows(found))
    return 0


def list_conversations(options: Options, *, limit: int, as_json: bool) -> int:
    """Show the conversations, last touched first. Starts no server."""
    heads = looked_up(options, lambda past: past.conversations.heads(limit))
    values = [dataclasses.asdict(head) for head in heads]
    _write([json.dumps(values, indent=2, default=str)] if as_json else head_rows(heads))
    return 0


def show_conversation(options: Options, name: str, *, numbers: bool) -> int:
    """Show what was said and done in one conversation. Starts no server."""

    async def told(past: History) -> list[str]:
        head = await past.conversations.find(name)
        title = f"{head.id} · {head.created.astimezone():%Y-%m-%d %H:%M} · {head.turns} turn{plural(head.turns)}"
        unfinished = [f"! unfinished: `orchestrator chat --resume {head.id}`"] if head.open_turn else []
        return [title, *transcript(await past.conversations.events(head.id), numbers=numbers), *unfinished]

    _write(looked_up(options, told))
    return 0


def server_rows(found: Iterable[ServerStatus]) -> list[str]:
    """Return a row for each server, and the report of each that cannot be used."""
    rows: list[str] = []
    for one in found:
        mark = {"ready": "✓", "failed": "✗", "starting": "●"}.get(one.state, "·")
        parts = [f"{one.tools} tool{plural(one.tools)}", duration(one.seconds), one.protocol and f"MCP {one.protocol}"]
        needed = " (required)" if one.required else ""
        rows.append(f"{mark} {one_line(one.name, 40)}{needed}  {one.state} · {' · '.join(filter(None, parts))}")
        rows += [f"    {line}" for line in clean(one.problem).strip().splitlines()]
    return rows or ["No servers are configured. See `orchestrator config show`."]


def tool_rows(found: Iterable[Tool]) -> list[str]:
    """Return a row for each tool: its name, what it may do, what it is for."""
    rows = [f"{tool.name}  [{power(tool)}]  {one_line(tool.description or tool.title, 90)}" for tool in found]
    return rows or ["No tools. See `orchestrator servers`."]


def power(tool: Tool) -> str:
    """Return what the tool may do, as its server says."""
    return "reads" if tool.read_only else "destroys" if tool.destructive else "changes"


def head_rows(heads: Iterable[Head]) -> list[str]:
    """Return a row for each conversation."""
    rows: list[str] = []
    for head in heads:
        state = "  (unfinished)" if head.open_turn else ""
        turns = f"{head.turns} turn{plural(head.turns)}"
        rows.append(
            f"{head.id}  {head.updated.astimezone():%Y-%m-%d %H:%M}  {turns:>9}  {one_line(head.title, 60)}{state}"
        )
    return rows or ["No conversations yet."]


def longest_wait(config: Config) -> float:
    """Return the seconds after which every server has had its time."""
    return max((one.connect_timeout for one in config.mcp_servers.values() if not one.disabled), default=0.0) + 1


def _write(lines: Iterable[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
