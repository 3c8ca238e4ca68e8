"""The command line: `orchestrator`. Only click is imported here; each command imports its room when it runs.

Exit codes: 0 done · 1 a bug · 2 usage or config · 3 the model's provider · 4 a required server is missing ·
5 permission needed · 6 budget reached · 7 step limit · 128 + n left by signal n (130: Ctrl-C).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import click

if TYPE_CHECKING:
    from orchestrator.cli.options import Options

Command = TypeVar("Command", bound=Callable[..., object])


class Doors(click.Group):
    """The group whose default command is `chat`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `chat` in front when no command is named."""
        asks = {"--help", "-h", "--version"}
        if not (args and not args[0].startswith("-")) and not asks & set(args) and not set(self.commands) & set(args):
            args = ["chat", *args]
        return super().parse_args(ctx, args)


def everywhere(command: Command) -> Command:
    """Add the options that every command has, and the group too: they may stand before or behind the command."""
    path = click.Path(path_type=Path, dir_okay=False)
    config = click.option("--config", type=path, expose_value=False, callback=_shared, help="Read this file only.")
    verbose = click.option(
        "--verbose", is_flag=True, expose_value=False, callback=_shared, help="Write the log to stderr as well."
    )
    return config(verbose(command))


def opening(command: Command) -> Command:
    """Add the option of every command that obeys the config: it may start programs."""
    trust = click.option(
        "--trust", is_flag=True, expose_value=False, callback=_shared, help="Trust this folder's config file as it is."
    )
    return everywhere(trust(command))


def talking(command: Command) -> Command:
    """Add the options of the commands that run turns."""
    added = [
        click.option("--model", metavar="NAME", help="Ask this model.", expose_value=False, callback=_shared),
        click.option("--yes", is_flag=True, expose_value=False, callback=_shared, help="Allow what would be asked."),
        click.option(
            "--allow", multiple=True, metavar="GLOB", expose_value=False, callback=_shared,
            help="Allow these tools instead of asking, e.g. 'files__*'. Repeatable.",
        ),
        click.option(
            "--deny", multiple=True, metavar="GLOB", expose_value=False, callback=_shared,
            help="Never run these tools. Repeatable.",
        ),
        click.option(
            "--wait", type=click.FloatRange(min=0), metavar="SECONDS", expose_value=False, callback=_shared,
            help="How long a message waits for servers that are starting.",
        ),
        click.option(
            "--plain", is_flag=True, expose_value=False, callback=_shared, help="No colour, no control codes."
        ),
    ]  # fmt: skip
    for option in reversed(added):
        command = option(command)
    return opening(command)


def _shared(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """Collect an option that was given, wherever it stood."""
    given = cast("dict[str, object]", ctx.ensure_object(dict))
    if value and parameter.name:
        given[parameter.name] = value


def _options() -> Options:
    """Return the collected options."""
    from orchestrator.cli.options import Options

    return Options(**cast("dict[str, Any]", click.get_current_context().find_root().ensure_object(dict)))


@click.group(cls=Doors, context_settings={"help_option_names": ["-h", "--help"]})
@everywhere
@click.version_option(package_name="mcp-orchestrator", prog_name="orchestrator", message="%(prog)s %(version)s")
def program() -> None:
    """Talk to a model that uses your MCP servers. Without a command: chat.

    Without ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN, ANTHROPIC_BASE_URL) a simulator answers, and says so.
    """


@program.command()
@talking
@click.option("--resume", default="", metavar="ID", help="Go on with this conversation, or with the `last` one.")
def chat(resume: str) -> int:
    """Talk, turn by turn. Lines on a pipe are messages."""
    from orchestrator.cli.chat import chat

    return chat(_options(), resume)


@program.command()
@talking
@click.argument("text", default="")
@click.option("--resume", default="", metavar="ID", help="Go on with this conversation, or with the `last` one.")
@click.option("--json", "form", flag_value="json", help="Write the outcome as one JSON object.")
@click.option("--stream-json", "form", flag_value="stream-json", help="Write each event as a line of JSON.")
def ask(text: str, resume: str, form: Literal["json", "stream-json"] | None) -> int:
    """Ask once: TEXT, or what comes on stdin. The answer goes to stdout, all else to stderr."""
    from orchestrator.cli.ask import ask

    return ask(_options(), text, resume, form or "text")


@program.group()
def conversations() -> None:
    """What was said before."""


@conversations.command("list")
@everywhere
@click.option("--limit", default=50, show_default=True, help="How many, last touched first.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def list_conversations(limit: int, as_json: bool) -> int:
    """List the conversations."""
    from orchestrator.cli.lists import list_conversations

    return list_conversations(_options(), limit=limit, as_json=as_json)


@conversations.command("show")
@everywhere
@click.argument("name", metavar="ID")
def show_conversation(name: str) -> int:
    """Show one conversation; ID may be the first letters of its id, or `last`."""
    from orchestrator.cli.lists import show_conversation

    return show_conversation(_options(), name)


@program.command()
@opening
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def servers(as_json: bool) -> int:
    """Start the servers and show how each of them does."""
    from orchestrator.cli.lists import servers

    return servers(_options(), as_json=as_json)


@program.command()
@opening
@click.option("--json", "as_json", is_flag=True, help="Write JSON, schemas included.")
def tools(as_json: bool) -> int:
    """Show what the model may call."""
    from orchestrator.cli.lists import tools

    return tools(_options(), as_json=as_json)


@program.group()
def config() -> None:
    """The config file: which one counts, whether it is right, whether it is trusted."""


@config.command("show")
@everywhere
def show_config() -> int:
    """Show the configuration that counts here; secrets stay hidden."""
    from orchestrator.cli.configuring import show

    return show(_options())


@config.command("check")
@everywhere
def check_config() -> int:
    """Say whether the configuration can be used, or what is wrong in which line."""
    from orchestrator.cli.configuring import check

    return check(_options())


@config.command("trust")
@everywhere
def trust_config() -> int:
    """Trust this folder's config file as it is now."""
    from orchestrator.cli.configuring import trust

    return trust(_options())


@program.command()
@opening
@click.argument("name", metavar="ID")
@click.option("--strict", is_flag=True, help="The same answers and results: is the journal the same? (the default)")
@click.option(
    "--swap", "swaps", multiple=True, metavar="SERVER=NEW", help="Make its calls again: to a command, URL, config."
)
@click.option("--model", default="", metavar="NAME", help="Ask this model; tools answer as they did.")
@click.option("--record", type=click.Path(path_type=Path, dir_okay=False), help="Write a scenario for the simulator.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the conversation as a file.")
def replay(name: str, strict: bool, swaps: tuple[str, ...], model: str, record: Path | None, save: Path | None) -> int:
    """Play a conversation again: ID, `last`, or a file that --save wrote. 0 if nothing changed, 1 if something did."""
    if sum(map(bool, (strict, swaps, model, record, save))) > 1:
        raise click.UsageError("--strict, --swap, --model, --record and --save exclude one another.")
    from orchestrator.cli.replaying import Wish, play

    return play(_options(), name, Wish(swaps, model, record, save))


@program.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def simulate(args: tuple[str, ...]) -> int:
    """Serve the simulator, a Messages API on this machine, for any client (see `simulate --help`)."""
    from simulator.command import main as serve

    return serve(args)


@program.command()
@opening
def doctor() -> int:
    """Check everything that a turn needs."""
    from orchestrator.cli.doctor import doctor

    return doctor(_options())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: the boundary of a command, where every error becomes words."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    try:
        code = program.main(None if argv is None else list(argv), prog_name="orchestrator", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except BrokenPipeError:  # whoever read our output has left; what we still hold for it goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Exception as error:  # noqa: BLE001  # the command boundary
        from orchestrator.cli.failing import told

        return told(error)
