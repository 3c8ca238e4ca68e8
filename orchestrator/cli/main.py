"""The command line: `orchestrator`. Only click is imported here; each command imports its room when it runs.

Exit codes: 0 done · 1 a bug · 2 usage or config · 3 the model's provider · 4 a required server is missing ·
5 permission needed · 6 budget reached · 7 step limit · 128 + n left by signal n (130: Ctrl-C).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from orchestrator.cli.doors import Doors, everywhere, opening, options, talking
from orchestrator.cli.groups import conversations, policy, usage


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

    return chat(options(), resume)


@program.command()
@talking
@click.argument("text", default="")
@click.option("--resume", default="", metavar="ID", help="Go on with this conversation, or with the `last` one.")
@click.option("--json", "form", flag_value="json", help="Write the outcome as one JSON object.")
@click.option("--stream-json", "form", flag_value="stream-json", help="Write each event as a line of JSON.")
def ask(text: str, resume: str, form: Literal["json", "stream-json"] | None) -> int:
    """Ask once: TEXT, or what comes on stdin. The answer goes to stdout, all else to stderr."""
    from orchestrator.cli.ask import ask

    return ask(options(), text, resume, form or "text")


@program.command()
@opening
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def servers(as_json: bool) -> int:
    """Start the servers and show how each of them does."""
    from orchestrator.cli.lists import servers

    return servers(options(), as_json=as_json)


@program.command()
@opening
@click.option("--json", "as_json", is_flag=True, help="Write JSON, schemas included.")
def tools(as_json: bool) -> int:
    """Show what the model may call."""
    from orchestrator.cli.lists import tools

    return tools(options(), as_json=as_json)


@program.group()
def config() -> None:
    """The config file: which one counts, whether it is right, whether it is trusted."""


@config.command("show")
@everywhere
def show_config() -> int:
    """Show the configuration that counts here; secrets stay hidden."""
    from orchestrator.cli.configuring import show

    return show(options())


@config.command("check")
@everywhere
def check_config() -> int:
    """Say whether the configuration can be used, or what is wrong in which line."""
    from orchestrator.cli.configuring import check

    return check(options())


@config.command("trust")
@everywhere
def trust_config() -> int:
    """Trust this folder's config file as it is now."""
    from orchestrator.cli.configuring import trust

    return trust(options())


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

    return play(options(), name, Wish(swaps, model, record, save))


@program.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def simulate(args: tuple[str, ...]) -> int:
    """Serve the simulator, a Messages API on this machine, for any client (see `simulate --help`)."""
    from simulator.command import main as serve

    return serve(args, "orchestrator simulate")


@program.command()
@opening
def doctor() -> int:
    """Check everything that a turn needs."""
    from orchestrator.cli.doctor import doctor

    return doctor(options())


for group in (conversations, policy, usage):
    program.add_command(group)


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
