"""The prompt loop: messages in, turns on the screen."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version

from orchestrator.app import App
from orchestrator.cli import lists
from orchestrator.cli.asking import Asker, AtTerminal, Granted, Unattended
from orchestrator.cli.cleaning import clean
from orchestrator.cli.granting import Standing
from orchestrator.cli.greeting import answering, greeting, problems
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.lines import Lines
from orchestrator.cli.opening import check_model, run
from orchestrator.cli.options import Options
from orchestrator.cli.outcome import DONE, INTERRUPTED, PERMISSION
from orchestrator.cli.prompts import EditingLine, EditingPrompt, LinePrompt, Prompt
from orchestrator.cli.required import check_required
from orchestrator.cli.transcript import transcript
from orchestrator.cli.turns import Stage, play
from orchestrator.cli.unfinished import check_finished
from orchestrator.cli.writer import TerminalWriter, Writer
from orchestrator.conversation import fold
from orchestrator.conversations import Started
from orchestrator.errors import ConfigError, Conflict, NotFound, UsageError
from orchestrator.events import TurnStarted
from orchestrator.messages import Text

FIRST_LOOK, FIRST_TIME = 0.1, 1.9
"""Seconds that the start screen waits for servers when somebody looks at it: if their tools are known, if not."""
HELP = """\
/servers  how the servers are doing       /tools  what the model may call
/new      start another conversation      /retry  go on with what was left unfinished
/resume   go on with a conversation: /resume [ID], the last one that did not finish if none is named
/model    who is asked from now on: /model fast|deep|default|NAME
/quit     leave (Ctrl-D too)              Ctrl-C  stop the turn; again: leave"""
COMMAND = re.compile(r"/([a-z]+)\s*|/(model|resume)\s+(\S+)\s*")
WITH_MORE = re.compile(r"/(help|servers|tools|new|retry|resume|model|quit)\s.+", re.DOTALL)
"""A command with words behind it that it does not take."""
KNOWN = ("help", "servers", "tools", "new", "retry", "resume", "model", "quit")
RECENT = 20
"""How many conversations are looked through for one that did not finish."""


def chat(options: Options, resume: str) -> int:
    """Talk until the user leaves or input ends, and return the exit code."""
    if options.take_over and not resume:
        raise UsageError("--take-over goes on with an open turn.", "Add --resume ID.")
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    return run(
        partial(_chat, options=options, resume=resume, interactive=interactive), options, interactive=interactive
    )


async def _chat(app: App, interrupts: Interrupts, *, options: Options, resume: str, interactive: bool) -> int:
    plain = options.plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    writer = Writer(sys.stdout) if plain else TerminalWriter(sys.stdout)
    lines = Lines(sys.stdin)
    nobody = Unattended(say=writer.say)
    standing = Standing(app.toolbox.tools, app.policy)
    editor = EditingLine() if writer.live else None
    asker: Asker = AtTerminal(lines, writer, standing, editor) if interactive else nobody
    granted = Granted(options.allow, everything=options.yes)
    stage = Stage(app.conversations, writer, asker, granted, interrupts, nobody.denied, standing=standing)
    if not interactive or plain:
        prompt: Prompt = LinePrompt(lines, writer if interactive else None)
    else:
        prompt = EditingPrompt(app.config.data_dir / "history")
    talk = _Chat(app, stage, prompt, interactive=interactive, model=options.model)
    try:
        return await talk.run(resume, take_over=options.take_over)
    finally:
        if interrupts.left or talk.interrupted:
            talk.hint()


@dataclass
class _Chat:
    app: App
    stage: Stage
    prompt: Prompt
    interactive: bool
    model: str = ""
    """Which model the user chose here; empty: the conversation's, or the config's."""
    conversation_id: str | None = None
    interrupted: bool = False
    code: int = DONE
    _reported: set[str] = field(default_factory=set[str])
    _shown: set[str] = field(default_factory=set[str])
    """Turns of this conversation that the user has seen."""
    _model_so_far: str = ""
    """The model that this conversation was resumed with; empty: the config's."""

    async def run(self, resume: str, *, take_over: bool = False) -> int:
        await self._servers_started()
        self._say("\n".join(greeting(self.app, version("mcp-orchestrator"), self.model)))
        self._report_servers()
        if resume:
            await self._resume((await self.app.conversations.find(resume)).id, take_over=take_over)
        elif self.interactive:
            await self._offer()
        while (text := await self._next()) is not None:
            if text.strip() and not await self._obey(text.strip()):
                break
            if self.code not in (DONE, PERMISSION) and not self.interactive:
                break
        return DONE if self.interactive and not self.interrupted else self.code

    async def _servers_started(self) -> None:
        toolbox = self.app.toolbox
        await toolbox.settled(FIRST_LOOK if self.interactive else self.app.config.limits.start_seconds)
        if self.interactive and not toolbox.tools():
            await toolbox.settled(FIRST_TIME)

    async def _next(self) -> str | None:
        """Return the next message. Ctrl-C at an empty prompt leaves, the second time."""
        for last in (False, True):
            try:
                return await self.prompt.next()
            except KeyboardInterrupt:
                if not last:
                    self._say("· Ctrl-C again leaves.")
        self.interrupted, self.code = True, INTERRUPTED
        return None

    async def _obey(self, text: str) -> bool:
        """Obey a command or send a message; return whether to go on."""
        word = COMMAND.fullmatch(text)
        match (word[1] or word[2]) if word else "":
            case "quit" | "exit":
                return False
            case "help":
                self._say(HELP)
            case "servers":
                self._say("\n".join(lists.server_rows(self.app.toolbox.servers())))
            case "tools":
                self._say("\n".join(lists.tool_rows(self.app.toolbox.tools())))
            case "new":
                self.conversation_id, self._shown, self._model_so_far = None, set(), ""
                self._say("· A new conversation begins with your next message.")
            case "retry":
                await self._retry()
            case "resume":
                await self._tried(self._found(word[3] if word else ""))
            case "model":
                await self._tried(self._choose(word[3] if word else ""))
            case unknown if unknown and self.interactive:
                near = difflib.get_close_matches(unknown, KNOWN, n=1)
                self._say(f"! There is no /{unknown}." + (f" Did you mean /{near[0]}?" if near else " See /help."))
            case _ if self.interactive and (more := WITH_MORE.fullmatch(text)):
                what = "one name" if more[1] in ("model", "resume") else "nothing"
                self._say(f"! /{more[1]} takes {what} behind it. Nothing was sent.")
            case _:
                await self._send(text)
        return True

    async def _send(self, text: str) -> None:
        await check_required(self.app)
        self._report_servers()
        await self._tried(self._started(text))

    async def _started(self, text: str) -> None:
        conversations = self.app.conversations
        if self.conversation_id:
            await check_finished(conversations, self.conversation_id, "`/retry` goes on with it.")
            await self._catch_up()
        await self._play(await conversations.start_turn([Text(text=text)], self.conversation_id, self.model))

    async def _catch_up(self) -> None:
        """Show what was said in this conversation in another window: the model knows of it, so the user should."""
        events = await self.app.conversations.events(self.conversation_id or "")
        if missed := [one for one in events if one.turn_id not in self._shown]:
            self._say("\n".join(["· Meanwhile, in another window:", *transcript(missed), ""]))
        self._shown |= {one.turn_id for one in events}

    async def _tried(self, work: Coroutine[None, None, None]) -> None:
        """Do it; what cannot be done is said, and a person may try something else."""
        try:
            await work
        except (UsageError, Conflict, NotFound, ConfigError) as refusal:
            if not self.interactive:
                raise
            self.stage.writer.say(clean(str(refusal)), "problem")

    async def _choose(self, name: str | None) -> None:
        """Ask another model from the next message on."""
        if name:
            check_model(self.app.config, name)
            self.model = self.app.model if name == "default" else name
        who = answering(self.app, self.model or self._model_so_far)
        self._say(f"· {'From now on' if name else 'Now'} {who} is asked.")

    async def _offer(self) -> None:
        """Say that a turn did not finish, if the process that ran it is no more; one that lives is only mentioned."""
        head = next((head for head in await self.app.conversations.heads(RECENT) if head.open_turn), None)
        if head and self.app.conversations.elsewhere(head):
            self._say(f"· {head.id} is at work in another window.")
        elif head:
            self._say(f"· The last turn in {head.id} did not finish: `/resume` goes on with it.")

    async def _found(self, name: str | None) -> None:
        """Go on with a conversation: the named one, or the last that is unfinished and at work nowhere."""
        conversations = self.app.conversations
        if name:
            return await self._resume((await conversations.find(name)).id)
        heads = [head for head in await conversations.heads(RECENT) if head.open_turn]
        if dead := next((head for head in heads if not conversations.elsewhere(head)), None):
            return await self._resume(dead.id)
        if heads:
            await check_finished(conversations, heads[0].id, "")
        return self._say("· Nothing is unfinished.")

    async def _retry(self) -> None:
        started = await self.app.conversations.resume(self.conversation_id) if self.conversation_id else None
        if started is None:
            self._say("· Nothing is unfinished here.")
            return
        await self._play(started)

    async def _resume(self, conversation_id: str, *, take_over: bool = False) -> None:
        """Show what was said so far, and go on with what is unfinished."""
        self.conversation_id = conversation_id
        events = await self.app.conversations.events(conversation_id)
        self._model_so_far = fold(conversation_id, events).model
        self._shown = {one.turn_id for one in events}
        try:
            started = await self.app.conversations.resume(conversation_id, take_over)
        except Conflict:
            self._say("\n".join(transcript(events)))
            raise
        again = started.turn_id if started else ""  # of this turn the message is enough: the rest is shown once more
        past = [one for one in events if one.turn_id != again or isinstance(one.event, TurnStarted)]
        self._say("\n".join([*transcript(past), ""]))
        if started:
            await self._play(started)

    async def _play(self, started: Started) -> None:
        self.conversation_id = started.conversation_id
        self._shown.add(started.turn_id)
        outcome = await play(self.stage, started)
        if outcome.exit_code != DONE:
            self.code = outcome.exit_code
        self._report_servers()

    def _report_servers(self) -> None:
        """Say once which servers cannot be used, why, and what to do."""
        for problem in problems(self.app.toolbox.servers()):
            if problem not in self._reported:
                self._say(f"! {problem}")
                self._reported.add(problem)

    def hint(self) -> None:
        """Say how to come back."""
        if self.conversation_id:
            self._say(f"· `orchestrator chat --resume {self.conversation_id}` goes on from here.")

    def _say(self, text: str) -> None:
        self.stage.writer.say(text)
