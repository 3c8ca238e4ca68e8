"""Asking the user: whether a call may run, and what a server wants to know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import JsonValue

from orchestrator.cli.cleaning import clean, one_line
from orchestrator.cli.fields import Field, NotAnAnswer, fields_of
from orchestrator.cli.lines import Lines
from orchestrator.cli.writer import Writer
from orchestrator.events import ApprovalRequested, QuestionAsked

NOBODY = "(automatic: there is no terminal, so nobody could be asked; `--allow {tool}` lets it run)"
SHOWN_LINES = 12


@dataclass(frozen=True)
class Decision:
    """Whether a call may run; `note` is for the model."""

    allowed: bool
    note: str = ""


@dataclass(frozen=True)
class Reply:
    """What the user answers to a server; no values means: declined."""

    values: Mapping[str, JsonValue] | None = None


class Asker(Protocol):
    """Somebody who decides."""

    async def decide(self, request: ApprovalRequested) -> Decision:
        """Return whether the call may run."""
        ...

    async def answer(self, question: QuestionAsked) -> Reply:
        """Return the answer to a server's question."""
        ...


@dataclass(frozen=True)
class Granted:
    """What the command line decided beforehand."""

    allow: Sequence[str] = ()
    """Globs over `server__tool`."""
    everything: bool = False

    def covers(self, tool: str) -> bool:
        """Whether calls of this tool need no question."""
        return self.everything or any(fnmatchcase(tool, glob) for glob in self.allow)


@dataclass
class Unattended:
    """Nobody is there: calls are refused, and remembered as refused; questions are declined."""

    denied: list[str] = field(default_factory=list[str])

    async def decide(self, request: ApprovalRequested) -> Decision:
        """Refuse, and tell the model why and the user how to allow it."""
        self.denied.append(request.tool)
        return Decision(False, NOBODY.format(tool=request.tool))

    async def answer(self, question: QuestionAsked) -> Reply:
        """Decline."""
        return Reply()


class AtTerminal:
    """Somebody sits there. Everything that others wrote is cleaned before it is shown."""

    def __init__(self, lines: Lines, writer: Writer) -> None:
        self._lines = lines
        self._writer = writer

    async def decide(self, request: ApprovalRequested) -> Decision:
        """Show who, what and why, and wait for yes or no. An empty line is no answer; the end of input is a no."""
        self._writer.say("\n" + approval_block(request))
        while True:
            said = await self._ask("  [y] once  [n] no, and tell why  [d] all details: ")
            word, _, rest = ("n" if said is None else said.strip()).partition(" ")
            match word.lower():
                case "y" | "yes":
                    return Decision(True)
                case "n" | "no":
                    note = rest.strip() or (await self._ask("  Why (for the model; Enter for no reason): ") or "")
                    return Decision(False, note.strip())
                case "d":
                    self._writer.say(clean(json.dumps(request.arguments, indent=2, ensure_ascii=False)))
                case _:
                    pass

    async def answer(self, question: QuestionAsked) -> Reply:
        """Ask field by field; nothing goes to the server before the last one is answered."""
        server = one_line(question.server, 40)
        self._writer.say(f"\n? {server} asks: {clean(question.text).strip()}")
        if question.url:
            return await self._answer_url(question.url)
        if not await self._agreed(f"  [y] answer {server}  [n] decline: "):
            return Reply()
        values: dict[str, JsonValue] = {}
        for one in fields_of(question.fields):
            said = await self._answer_field(one)
            if said is None:
                return Reply()
            values |= said
        return Reply(values)

    async def _answer_url(self, url: str) -> Reply:
        """Show the whole address and its host; opening it is the user's own act."""
        self._writer.say(f"  It wants you to open a page at {host_of(url)}:\n  {one_line(url, 2_000)}")
        return Reply({}) if await self._agreed("  [y] I have opened it  [n] decline: ") else Reply()

    async def _answer_field(self, one: Field) -> dict[str, JsonValue] | None:
        """Return the field's value by its name, nothing if it was left out, or None if input ended."""
        if one.label != one.name:
            self._writer.say("  " + clean(one.label))
        while True:
            said = await self._ask(f"  {one_line(one.name + one.hint, 200)}: ")
            if said is None:
                return None
            try:
                return one.read(said)
            except NotAnAnswer as problem:
                self._writer.say(f"  {one_line(str(problem), 200)}")

    async def _agreed(self, prompt: str) -> bool:
        while (said := await self._ask(prompt)) is not None:
            if said.strip().lower() in ("y", "yes", "n", "no"):
                return said.strip().lower() in ("y", "yes")
        return False

    async def _ask(self, prompt: str) -> str | None:
        self._lines.forget()
        self._writer.prompt(prompt)
        said = await self._lines.next()
        if said is not None:  # Enter has ended the line
            self._writer.answered()
        return said


def approval_block(request: ApprovalRequested) -> str:
    """Return who wants to do what, with which arguments, and why this is asked."""
    server, _, tool = request.tool.partition("__")
    what = f"{one_line(server)} wants to run {one_line(tool)}" if tool else f"{one_line(server)} wants to run"
    rows = [row for name, value in request.arguments.items() for row in argument_rows(name, value)]
    if len(rows) > SHOWN_LINES:
        rows = [*rows[: SHOWN_LINES - 1], f"… and {len(rows) - SHOWN_LINES + 1} more lines: [d] shows them"]
    return "\n".join([f"? {what}", *(f"    {row}" for row in rows), f"  asked because: {one_line(request.why, 200)}"])


def argument_rows(name: str, value: JsonValue) -> list[str]:
    """Return an argument as lines: its name, then its value, further lines of it below."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    first, *more = clean(text).split("\n")
    return [f"{one_line(name, 24)}: {one_line(first, 160)}", *(f"  {one_line(line, 160)}" for line in more)]


def host_of(url: str) -> str:
    """Return the host that an address really leads to, whatever else it shows."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return one_line(host) if host else "an address that cannot be read"
