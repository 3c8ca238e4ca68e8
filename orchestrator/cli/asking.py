"""Asking the user: whether a call may run, and what a server wants to know."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal, Protocol, cast
from urllib.parse import urlsplit

from pydantic import JsonValue

from orchestrator.cli.cleaning import clean, one_line
from orchestrator.cli.fields import Field, NotAnAnswer, fields_of
from orchestrator.cli.granting import NOTHING_STANDS, SCOPES, Standing
from orchestrator.cli.lines import Lines
from orchestrator.cli.prompts import Editor
from orchestrator.cli.screen import Kind
from orchestrator.cli.writer import Writer
from orchestrator.events import ApprovalRequested, QuestionAsked
from orchestrator.policy.rules import Rule

NOBODY = "there is no terminal, so nobody could be asked; `--allow {tool}` lets it run"
SHOWN_LINES = 12
NEVER = "N"
"""The one key that is not also its small letter: [n] says no, once."""
OURSELVES = "orchestrator"
"""The server of questions that the turn itself asks."""


@dataclass(frozen=True)
class Decision:
    """Whether a call may run; `note` is for the model, a `rule` for the calls to come."""

    allowed: bool
    note: str = ""
    arguments: dict[str, JsonValue] | None = None
    """What the user made of the arguments; None if they are as they were."""
    rule: Rule | None = None
    by: Literal["user", "automatic"] = "user"


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
    """Nobody is there: calls are refused, and remembered as refused; questions are declined, and said to be."""

    denied: list[str] = field(default_factory=list[str])
    say: Callable[[str, Kind], None] = lambda text, kind: None

    async def decide(self, request: ApprovalRequested) -> Decision:
        """Refuse, and tell the model why and the user how to allow it."""
        self.denied.append(request.tool)
        return Decision(False, NOBODY.format(tool=request.tool), by="automatic")

    async def answer(self, question: QuestionAsked) -> Reply:
        """Decline."""
        asks = f"{one_line(question.server, 40)} asks: {one_line(question.text, 300)}"
        self.say(f"{asks} Nobody was there to answer, so it was declined.", "problem")
        return Reply()


class AtTerminal:
    """Somebody sits there. Everything that others wrote is cleaned before it is shown."""

    def __init__(
        self, lines: Lines, writer: Writer, standing: Standing = NOTHING_STANDS, editor: Editor | None = None
    ) -> None:
        self._lines = lines
        self._writer = writer
        self._standing = standing
        self._editor = editor

    async def decide(self, request: ApprovalRequested) -> Decision:
        """Show who, what and why, and wait for a decision. An empty line is none; the end of input is a no."""
        self._writer.say("\n" + approval_block(request))
        self._writer.say(f"asked because: {one_line(request.why, 200)}", "advice")
        offers = self._standing.offers(request)
        while True:
            said = await self._ask(keys_row(offers))
            if decision := await self._obeyed("n" if said is None else said.strip(), request, offers):
                return decision

    async def _obeyed(self, said: str, request: ApprovalRequested, offers: Mapping[str, Rule]) -> Decision | None:
        """Return the decision that was typed, or None if there is none yet."""
        word, _, rest = said.partition(" ")
        word = word if word == NEVER else word.lower()
        if word in offers:
            rule = await self._scoped(offers[word])
            return Decision(rule.effect == "allow", rule=rule) if rule else None
        match word:
            case "y" | "yes":
                return Decision(True)
            case "n" | "no":
                note = rest.strip() or (await self._ask("  Why (for the model; Enter for no reason): ") or "")
                return Decision(False, note.strip())
            case "e":
                arguments = await self._edited(request)
                return None if arguments is None else Decision(True, arguments=changed(request, arguments))
            case "d":
                self._writer.say(clean(json.dumps(request.arguments, indent=2, ensure_ascii=False)))
            case "":
                pass
            case _:
                self._writer.say(f"  There is no [{one_line(word, 24)}] here.")
        return None

    async def _scoped(self, rule: Rule) -> Rule | None:
        """Show the very rule that would be kept, for each scope, and return the chosen one."""
        rules = {key: rule.model_copy(update={"scope": scope}) for key, (scope, _) in SCOPES.items()}
        self._writer.say("  The rule to keep:")
        for key, one in rules.items():
            self._writer.say(f"    [{key}] {one_line(str(one), 200)}  {SCOPES[key][1]}")
        said = await self._ask("  [s] this session  [f] this folder  [a] always  [Enter] none of them: ")
        return rules.get((said or "").strip().lower())

    async def _edited(self, request: ApprovalRequested) -> dict[str, JsonValue] | None:
        """Return the arguments as the user wants them, or None if they are left alone."""
        text = editable(request.arguments)
        while (said := await self._edit(text)) is not None and said.strip():
            try:
                arguments = arguments_of(said)
            except NotAnAnswer as wrong:
                self._writer.say(f"  {one_line(str(wrong), 200)}")
            else:
                faults = self._standing.faults(request, arguments)
                if not faults:
                    return arguments
                for fault in faults:
                    self._writer.say(f"  {one_line(fault, 200)}")
            text = said
        return None

    async def _edit(self, text: str) -> str | None:
        if self._editor:
            self._writer.say("  The arguments, as one line of JSON (Ctrl-C leaves them):")
            return await self._editor.edit("  ", text)
        self._writer.say(f"  {text}")
        return await self._ask("  The arguments, as one line of JSON (Enter leaves them): ")

    async def answer(self, question: QuestionAsked) -> Reply:
        """Ask field by field; nothing goes to the server before the last one is answered."""
        server = one_line(question.server, 40)
        if question.server == OURSELVES:
            self._writer.say(f"\n? {clean(question.text).strip()}")
            return Reply({}) if await self._agreed("  [y] yes  [n] no: ") else Reply()
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


def keys_row(offers: Mapping[str, Rule]) -> str:
    """Return what may be typed, as a prompt."""
    words = {"t": "this tool", "r": "this server's read-only tools", "s": "this server"}
    wider = [f"[{key}] {words[key]}" for key in words if key in offers]
    never = [f"[{NEVER}] never"] if NEVER in offers else []
    first = "  ".join(["  [y] once", *wider])
    return first + "\n  " + "  ".join(["[e] edit arguments", "[n] deny, and say why", *never, "[d] all details: "])


def editable(arguments: Mapping[str, JsonValue]) -> str:
    """Return the arguments as one line of JSON in which nothing is hidden."""
    text = json.dumps(arguments, ensure_ascii=False)
    return text if clean(text) == text else json.dumps(arguments)


def arguments_of(text: str) -> dict[str, JsonValue]:
    """Return the arguments that a line of JSON holds. Raises `NotAnAnswer`."""

    def no_number(name: str) -> None:
        raise NotAnAnswer(f"{name} is not JSON.")

    try:
        values: object = json.loads(text, parse_constant=no_number)
        json.dumps(values, ensure_ascii=False).encode()
    except json.JSONDecodeError as wrong:
        raise NotAnAnswer(f"This is not JSON: {wrong.msg}, at character {wrong.pos + 1}.") from None
    except (UnicodeEncodeError, RecursionError):
        raise NotAnAnswer("This JSON holds half a character, or is nested too deeply.") from None
    if not isinstance(values, dict):
        raise NotAnAnswer('The arguments are one object: {"name": value, …}.')
    return cast("dict[str, JsonValue]", values)


def changed(request: ApprovalRequested, arguments: dict[str, JsonValue]) -> dict[str, JsonValue] | None:
    """Return the arguments if they are not the model's own."""
    return None if arguments == request.arguments else arguments


def approval_block(request: ApprovalRequested) -> str:
    """Return who wants to do what, and with which arguments."""
    server, _, tool = request.tool.partition("__")
    what = f"{one_line(server)} wants to run {one_line(tool)}" if tool else f"{one_line(server)} wants to run"
    rows = [row for name, value in request.arguments.items() for row in argument_rows(name, value)]
    if len(rows) > SHOWN_LINES:
        rows = [*rows[: SHOWN_LINES - 1], f"… and {len(rows) - SHOWN_LINES + 1} more lines: [d] shows them"]
    return "\n".join([f"? {what}", *(f"    {row}" for row in rows)])


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
