"""The commands about what was: conversations, rules, usage. Only click is imported here."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import click

from orchestrator.cli.doors import everywhere, opening, options

FILE = click.Path(path_type=Path, dir_okay=False)
ID = click.argument("name", metavar="ID")


@click.group()
def conversations() -> None:
    """What was said before. ID may be the first letters of an id, or `last`."""


@conversations.command("list")
@everywhere
@click.option("--limit", default=50, show_default=True, help="How many, last touched first.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_conversations(limit: int, as_json: bool) -> int:
    """List the conversations."""
    from orchestrator.cli.lists import list_conversations

    return list_conversations(options(), limit=limit, as_json=as_json)


@conversations.command("show")
@everywhere
@ID
@click.option("--numbers", is_flag=True, help="Number the events, as `fork --at` and `search` do.")
def show_conversation(name: str, numbers: bool) -> int:
    """Show one conversation."""
    from orchestrator.cli.lists import show_conversation

    return show_conversation(options(), name, numbers=numbers)


@conversations.command("search")
@everywhere
@click.argument("words", nargs=-1, required=True)
@click.option("--results", is_flag=True, help="Look through what tools returned instead.")
@click.option("--limit", default=20, show_default=True, help="How many places, the newest first.")
def search(words: tuple[str, ...], results: bool, limit: int) -> int:
    """Find where all these words were said; each may be the beginning of a word. 1 if nowhere."""
    from orchestrator.cli.past import search

    return search(options(), " ".join(words), results=results, limit=limit)


@conversations.command("fork")
@everywhere
@ID
@click.option("--at", type=click.IntRange(min=1), metavar="SEQ", help="Copy up to this event; otherwise all.")
def fork(name: str, at: int | None) -> int:
    """Copy a conversation and write the copy's id; the original stays as it is."""
    from orchestrator.cli.past import fork

    return fork(options(), name, at)


@conversations.command("export")
@everywhere
@ID
@click.option("--format", "form", type=click.Choice(["json", "markdown"]), default="markdown", show_default=True)
@click.option("--output", type=FILE, metavar="FILE", help="Where to write it; otherwise to stdout.")
def export(name: str, form: Literal["json", "markdown"], output: Path | None) -> int:
    """Write a conversation as a document: JSON holds everything, Markdown is for reading."""
    from orchestrator.cli.past import export

    return export(options(), name, form, output)


@conversations.command("delete")
@everywhere
@ID
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> int:
    """Forget a conversation, for good."""
    from orchestrator.cli.past import delete

    return delete(options(), name, sure=yes)


@conversations.command("salvage")
@everywhere
@click.argument("file", type=FILE)
@click.option("--output", type=FILE, required=True, metavar="NEW", help="The new history file.")
def salvage(file: Path, output: Path) -> int:
    """Read what can be read of a damaged history FILE into a new one, and say what was lost."""
    from orchestrator.cli.past import salvage

    return salvage(file, output)


@click.group()
def policy() -> None:
    """The rules that say which calls run, which are asked about, and which never run."""


@policy.command("show")
@opening
def show_policy() -> int:
    """Show the rules that hold here, and where each was given."""
    from orchestrator.cli.ruling import show

    return show(options())


@policy.command("why")
@opening
@click.argument("tool")
@click.argument("arguments", metavar="[JSON]", default="{}")
def why(tool: str, arguments: str) -> int:
    """Say what would be done with a call of TOOL with the arguments JSON, and which rule says so."""
    from orchestrator.cli.ruling import why

    return why(options(), tool, arguments)


@policy.command("test")
@opening
@click.option("--rules", type=FILE, metavar="FILE", help="Other rules than those that hold.")
def test(rules: Path | None) -> int:
    """Rehearse every call of the past with the rules: what would be asked, and what would run without a question."""
    from orchestrator.cli.ruling import test

    return test(options(), rules)


@policy.command("suggest")
@opening
@click.option("--save", is_flag=True, help="Keep the rules.")
@click.option("--everywhere", "user", is_flag=True, help="For every folder instead of this one.")
def suggest(save: bool, user: bool) -> int:
    """Propose rules for what you always allowed, with the number of questions that each would have saved."""
    from orchestrator.cli.ruling import suggest

    return suggest(options(), save=save, scope="user" if user else "project")


@click.command()
@everywhere
@click.option(
    "--by",
    type=click.Choice(["day", "model", "conversation", "server"]),
    default="day",
    show_default=True,
    help="What each row is.",
)
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="From this day on: 2026-11-21.")
@click.option("--prices", is_flag=True, help="Show the price list, its date and its sources.")
def usage(by: Literal["day", "model", "conversation", "server"], since: datetime | None, prices: bool) -> int:
    """Show tokens, cache hits and dollars."""
    from orchestrator.cli.spending import price_list, usage

    return price_list() if prices else usage(options(), by, since)
