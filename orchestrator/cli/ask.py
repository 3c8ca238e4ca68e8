"""One message, one turn, one exit code. The model's words go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from typing import Literal

from orchestrator.app import App
from orchestrator.cli.asking import Asker, AtTerminal, Granted, Unattended
from orchestrator.cli.granting import Standing
from orchestrator.cli.greeting import SIMULATED, problems, unheard, unpriced
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.lines import Lines
from orchestrator.cli.opening import run
from orchestrator.cli.options import Options
from orchestrator.cli.outcome import Outcome
from orchestrator.cli.prompts import EditingLine
from orchestrator.cli.required import check_required
from orchestrator.cli.screen import Piece
from orchestrator.cli.turns import Stage, play
from orchestrator.cli.unfinished import check_finished
from orchestrator.cli.writer import TerminalWriter, Writer
from orchestrator.conversations import Started
from orchestrator.errors import UsageError
from orchestrator.events import Recorded
from orchestrator.messages import Text

Form = Literal["text", "json", "stream-json"]


class SilentWriter(Writer):
    """Shows only what is said to a person; a script reads the events or the outcome instead."""

    def _write(self, piece: Piece) -> None:
        pass


def ask(options: Options, text: str, resume: str, form: Form) -> int:
    """Ask once and return the exit code."""
    interactive = sys.stdin.isatty() and sys.stderr.isatty() and form == "text"
    if text in ("", "-") and not sys.stdin.isatty():
        text = sys.stdin.buffer.read().decode("utf-8", "replace")
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # an argument may be any bytes
    if not text.strip() and not resume:
        raise UsageError("The message is empty.", 'Say something: orchestrator ask "What is in this folder?"')
    if options.model and not text.strip():
        raise UsageError("--model is for a new message.", 'Add one: orchestrator ask "Go on." --resume ID --model NAME')
    if options.take_over and (text.strip() or not resume):
        raise UsageError("--take-over goes on with an open turn.", "Add --resume ID, and no message.")
    work = partial(_ask, options=options, text=text, resume=resume, form=form, interactive=interactive)
    return run(work, options, interactive=interactive)


async def _ask(
    app: App, interrupts: Interrupts, *, options: Options, text: str, resume: str, form: Form, interactive: bool
) -> int:
    writer = _writer(options, form)
    nobody = Unattended(say=writer.say)
    standing = Standing(app.toolbox.tools, app.policy)
    editor = EditingLine() if writer.live else None
    asker: Asker = AtTerminal(Lines(sys.stdin), writer, standing, editor) if interactive else nobody
    granted = Granted(options.allow, everything=options.yes)
    tap = _print_event if form == "stream-json" else None
    stage = Stage(app.conversations, writer, asker, granted, interrupts, nobody.denied, tap, standing)
    if app.simulated:
        writer.say(SIMULATED, "note")
    for remark in unpriced(app, options.model):
        writer.say(remark, "problem")
    await check_required(app)
    started = await _started(app, options, text, resume)
    outcome = await play(stage, started)
    servers, late = problems(app.toolbox.servers()), unheard(app.toolbox.servers())
    if form == "text":
        for problem in servers:
            writer.say(f"! {problem}")
        for words in late:
            writer.say(words, "problem")
        if outcome.denied:
            writer.say(f"Denied, as nobody was there to ask: {', '.join(outcome.denied)}. See --allow.", "problem")
    else:
        _print_outcome(app, outcome, [*servers, *late], form)
    return outcome.exit_code


async def _started(app: App, options: Options, text: str, resume: str) -> Started:
    """Start the turn, or go on with the one that is unfinished if there is nothing new to say."""
    conversation_id = (await app.conversations.find(resume)).id if resume else None
    if text.strip():
        if conversation_id:
            go_on = f"`orchestrator ask --resume {conversation_id}`, without a message, goes on with it."
            await check_finished(app.conversations, conversation_id, go_on)
        return await app.conversations.start_turn([Text(text=text.rstrip("\n"))], conversation_id, options.model)
    started = await app.conversations.resume(conversation_id, options.take_over) if conversation_id else None
    if started is None:
        raise UsageError(f"Nothing is unfinished in conversation {conversation_id}.", "Add a message to go on.")
    return started


def _writer(options: Options, form: Form) -> Writer:
    if form != "text":
        return SilentWriter(sys.stderr)
    plain = options.plain or not (sys.stdout.isatty() and sys.stderr.isatty()) or os.environ.get("TERM") == "dumb"
    if not plain:
        return TerminalWriter(sys.stdout)
    return Writer(sys.stdout) if sys.stdout.isatty() else Writer(sys.stdout, sys.stderr)


def _print_event(recorded: Recorded) -> None:
    sys.stdout.write(recorded.model_dump_json() + "\n")
    sys.stdout.flush()


def _print_outcome(app: App, outcome: Outcome, servers: list[str], form: Form) -> None:
    """Write the outcome as JSON: the last line of a stream, or all there is."""
    facts = {"type": "outcome", "simulated": app.simulated, "server_errors": servers}
    values = facts | outcome.model_dump(mode="json")
    sys.stdout.write(json.dumps(values, ensure_ascii=False, indent=None if form == "stream-json" else 2) + "\n")
    sys.stdout.flush()
