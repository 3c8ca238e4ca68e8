"""Scenarios: what the model says when, written by a person.

    name: The list, and a failure
    rules:
      - when the user says: list the files
        say: Let me look.
        call:
          files__fs_list: {path: .}
      - when a tool returned: files__fs_list
        containing: README
        say: "There is a README. All of it: {result}"
      - when the user says: /deploy .* now/
        fail: 529 retry-after=1

Rules are tried from the top. Words are found anywhere in the text, whatever the case; `/.../` is a regular expression,
`*` anything at all. A rule about the user's words holds until tools have answered; then rules about tools do, and
without one the simulator's own mind reports the results.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from simulator.answer import Answer, Call, Piece, Say, Think
from simulator.faults import Fault, parse
from simulator.refusals import CATEGORIES, refusal
from simulator.shapes import Json
from simulator.situation import Situation

USER, TOOL, CONTAINING = "when the user says", "when a tool returned", "containing"
KEYS = (USER, TOOL, CONTAINING, "think", "say", "call", "fail", "refuse", "times")
CALLABLE = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""What a tool may be called (docs/agents-and-tools/tool-use/define-tools)."""


class BadScenario(ValueError):
    """A scenario cannot be used; the text begins with file and line."""


@dataclass(frozen=True)
class Rule:
    """One `when … then …`."""

    user: str | None = None
    tool: str | None = None
    containing: str | None = None
    think: str | None = None
    say: str | None = None
    calls: tuple[tuple[str, Json], ...] = ()
    fail: Fault | None = None
    refuse: str | None = None
    times: int | None = None
    """How often it is used; None is always. A failure is used once unless told otherwise."""

    def fits(self, situation: Situation) -> bool:
        """Whether the rule speaks of this situation."""
        if self.user is not None:
            return not situation.done and _in(self.user, situation.text)
        step = situation.done[-1].step if situation.done else 0
        latest = [done for done in situation.done if done.step == step and self.tool in ("*", done.name)]
        return any(self.containing is None or _in(self.containing, done.text) for done in latest)

    def answer(self, situation: Situation) -> Answer:
        """Return what the rule says and calls."""
        pieces: list[Piece] = []
        if self.think:
            pieces.append(Think(_told(self.think, situation)))
        if self.say:
            pieces.append(Say(_told(self.say, situation)))
        pieces += [Call(name, given) for name, given in self.calls]
        if self.refuse is not None:
            return refusal(tuple(pieces), self.refuse)
        return Answer(tuple(pieces))


@dataclass(frozen=True)
class Scenario:
    """Rules, tried from the top."""

    rules: tuple[Rule, ...]
    name: str = ""


def load(path: Path) -> Scenario:
    """Return the scenario in a file. Raises `BadScenario` with file and line, `OSError` if it cannot be read."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as broken:
        line = data.count(b"\n", 0, broken.start) + 1
        raise BadScenario(f"{path}:{line}: this is no text in UTF-8") from None
    return read(text, str(path))


def read(text: str, name: str = "scenario") -> Scenario:
    """Return the scenario in a text. Raises `BadScenario`; `name` stands for the file in its words."""
    try:
        root = cast(Any, yaml.compose(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as broken:
        line = broken.problem_mark.line + 1 if broken.problem_mark else 1
        raise BadScenario(f"{name}:{line}: this is no YAML: {broken.problem}") from None
    except yaml.YAMLError as broken:
        raise BadScenario(f"{name}:1: this is no YAML: {broken}") from None
    return _Reader(name).scenario(root)


class _Reader:
    """Reads the nodes of a file, which know their lines."""

    def __init__(self, name: str) -> None:
        self.name = name

    def bad(self, node: Any, words: str) -> BadScenario:
        line = node.start_mark.line + 1 if node is not None else 1
        return BadScenario(f"{self.name}:{line}: {words}")

    def scenario(self, root: Any) -> Scenario:
        fields = self.fields(root, ("name", "rules"), "a scenario")
        rules = fields.get("rules")
        if not isinstance(rules, yaml.SequenceNode) or not rules.value:
            raise self.bad(rules or root, "`rules` must be a list with at least one rule")
        title = self.text(fields["name"]) if "name" in fields else ""
        return Scenario(tuple(self.rule(node) for node in rules.value), title)

    def fields(self, node: Any, known: Sequence[str], what: str) -> dict[str, Any]:
        """Return the nodes of a mapping by key; an unknown key is an error that says which there are."""
        if not isinstance(node, yaml.MappingNode):
            raise self.bad(node, f"{what} must be a mapping with the keys {', '.join(known)}")
        found: dict[str, Any] = {}
        for key, value in cast(list[tuple[Any, Any]], node.value):
            if key.value not in known:
                raise self.bad(key, f"unknown key {key.value!r} in {what}; there are: {', '.join(known)}")
            if key.value in found:
                raise self.bad(key, f"{key.value!r} stands here twice")
            found[key.value] = value
        return found

    def rule(self, node: Any) -> Rule:
        fields = self.fields(node, KEYS, "a rule")
        if (USER in fields) == (TOOL in fields):
            raise self.bad(node, f"a rule begins with either `{USER}` or `{TOOL}`")
        if CONTAINING in fields and TOOL not in fields:
            raise self.bad(fields[CONTAINING], f"`{CONTAINING}` belongs to `{TOOL}`")
        if not {"say", "call", "fail", "refuse", "think"} & set(fields):
            raise self.bad(node, "a rule needs something to do: say, think, call, fail or refuse")
        fail = self.fault(fields["fail"]) if "fail" in fields else None
        return Rule(
            user=self.pattern(fields.get(USER)),
            tool=self.text(fields[TOOL]) if TOOL in fields else None,
            containing=self.pattern(fields.get(CONTAINING)),
            think=self.text(fields["think"]) if "think" in fields else None,
            say=self.text(fields["say"]) if "say" in fields else None,
            calls=self.calls(fields["call"]) if "call" in fields else (),
            fail=fail,
            refuse=self.category(fields["refuse"]) if "refuse" in fields else None,
            times=self.number(fields["times"]) if "times" in fields else (1 if fail else None),
        )

    def text(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.bad(node, "a text is wanted here")
        return str(node.value)

    def pattern(self, node: Any) -> str | None:
        if node is None:
            return None
        text = self.text(node)
        if len(text) > 2 and text.startswith("/") and text.endswith("/"):
            try:
                re.compile(text[1:-1])
            except re.error as broken:
                raise self.bad(node, f"{text} is no regular expression: {broken}") from None
        return text

    def calls(self, node: Any) -> tuple[tuple[str, Json], ...]:
        nodes = cast(list[Any], node.value) if isinstance(node, yaml.SequenceNode) else [node]
        found: list[tuple[str, Json]] = []
        for one in nodes:
            if not isinstance(one, yaml.MappingNode):
                raise self.bad(one, "a call is `tool: {argument: value}`")
            for key, value in cast(list[tuple[Any, Any]], one.value):
                if not CALLABLE.fullmatch(str(key.value)):
                    raise self.bad(key, f"{key.value!r} is no name of a tool: letters, digits, _ and -, 128 at most")
                arguments: Any = _value(value) if value.value else {}
                if not isinstance(arguments, dict):
                    raise self.bad(value, f"the arguments of {key.value} must be a mapping")
                found.append((str(key.value), cast(Json, arguments)))
        return tuple(found)

    def fault(self, node: Any) -> Fault:
        try:
            found = parse(self.text(node))
        except ValueError as wrong:
            raise self.bad(node, str(wrong)) from None
        if found is None:
            raise self.bad(node, "`fail: none` does nothing; leave it out")
        return found

    def category(self, node: Any) -> str:
        text = self.text(node)
        if text not in (*CATEGORIES, "everywhere", "yes", "true"):
            raise self.bad(node, f"{text!r} is no category; there are: {', '.join(CATEGORIES)}")
        return text

    def number(self, node: Any) -> int:
        text = self.text(node)
        if not text.isdigit() or int(text) < 1:
            raise self.bad(node, f"`times` must be a whole number from 1 on, not {text!r}")
        return int(text)


def dump(scenario: Scenario) -> str:
    """Return a scenario as the text of a file, which `read` turns into the same scenario."""
    rules: list[Json] = []
    for rule in scenario.rules:
        one: Json = {USER: rule.user} if rule.user is not None else {TOOL: rule.tool}
        given = {CONTAINING: rule.containing, "think": rule.think, "say": rule.say, "refuse": rule.refuse}
        one |= {key: value for key, value in given.items() if value is not None}
        if rule.calls:
            one["call"] = [{name: arguments} for name, arguments in rule.calls]
        if rule.fail:
            one["fail"] = rule.fail.written()
        if rule.times is not None:
            one["times"] = rule.times
        rules.append(one)
    return yaml.safe_dump({"name": scenario.name, "rules": rules}, sort_keys=False, allow_unicode=True, width=100)


def _value(node: Any) -> Any:
    """Return the plain value of a node."""
    return cast(Any, yaml.SafeLoader("")).construct_document(node)


def _in(pattern: str, text: str) -> bool:
    if pattern == "*":
        return True
    if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
        return re.search(pattern[1:-1], text, re.IGNORECASE) is not None
    return " ".join(pattern.lower().split()) in " ".join(text.lower().split())


def _told(text: str, situation: Situation) -> str:
    """Return a text with `{result}` and `{tool name}` replaced by what the tools returned."""
    for done in situation.done:
        text = text.replace("{" + done.name + "}", done.text)
    return text.replace("{result}", situation.done[-1].text if situation.done else "")
