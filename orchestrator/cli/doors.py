"""The options that commands have in common, wherever on the line they stand. Only click is imported here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

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
        click.option(
            "--model", metavar="NAME", expose_value=False, callback=_shared,
            help="Ask this model, or the one that the config calls `fast` or `deep`.",
        ),
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
            "--max-cost", type=click.FloatRange(min=0, min_open=True), metavar="DOLLARS", expose_value=False,
            callback=_shared, help="Stop a turn that costs more (exit code 6); only where the model has a price.",
        ),
        click.option(
            "--take-over", is_flag=True, expose_value=False, callback=_shared,
            help="With --resume: take the turn over from a window that is frozen.",
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


def options() -> Options:
    """Return the collected options."""
    from orchestrator.cli.options import Options

    return Options(**cast("dict[str, Any]", click.get_current_context().find_root().ensure_object(dict)))
