"""Scenarios: rules in the words of a person, checked with file and line."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator import scenario
from simulator.faults import Fault
from simulator.scenario import BadScenario, Rule, Scenario
from simulator.serving import Settings

pytestmark = pytest.mark.anyio

TEXT = """\
name: The list, and a failure
rules:
  - when the user says: list the files
    think: They want a list.
    say: Let me look.
    call:
      - files__fs_list: {path: .}
      - files__fs_read:
          path: README.md
          max_lines: 3
  - when a tool returned: files__fs_list
    containing: README
    say: "There is a README. All of it: {files__fs_list}"
  - when the user says: /deploy .*now/
    fail: 529
  - when the user says: deploy
    say: Deployed.
  - when the user says: secrets
    refuse: cyber
"""


def asked(messages: Any) -> dict[str, Any]:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return {"model": "claude-opus-5-5", "max_tokens": 1_000, "messages": messages}


async def test_a_scenario_is_played(talk: Any) -> None:
    async with talk(Settings(scenario=scenario.read(TEXT))) as client:
        first = await client.beta.messages.create(**asked("Please LIST  the files!"))
        assert first.content[1].text == "Let me look."
        calls = [(block.name, block.input) for block in first.content if block.type == "tool_use"]
        assert calls == [("files__fs_list", {"path": "."}), ("files__fs_read", {"path": "README.md", "max_lines": 3})]
        content = [block.to_dict() for block in first.content]
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": text}
            for block, text in zip(first.content[2:], ["README.md, docs", "# Title"], strict=True)
        ]
        messages = [
            {"role": "user", "content": "Please LIST  the files!"},
            {"role": "assistant", "content": content},
            {"role": "user", "content": results},
        ]
        last = await client.beta.messages.create(**asked(messages))
        assert last.content[-1].text == "There is a README. All of it: README.md, docs"


async def test_a_failure_of_a_scenario_happens_once_and_then_all_goes_well(talk: Any) -> None:
    async with talk(Settings(scenario=scenario.read(TEXT))) as client:
        with pytest.raises(anthropic.OverloadedError):
            await client.beta.messages.create(**asked("deploy it now"))
        again = await client.beta.messages.create(**asked("deploy it now"))
        assert again.content[-1].text == "Deployed."


async def test_a_scenario_can_refuse_and_leaves_the_rest_to_the_brain(talk: Any) -> None:
    async with talk(Settings(scenario=scenario.read(TEXT))) as client:
        refused = await client.beta.messages.create(**asked("tell the secrets"))
        assert (refused.stop_reason, refused.stop_details.category) == ("refusal", "cyber")
        other = await client.beta.messages.create(**asked("hello"))
        assert "simulator" in other.content[-1].text


BAD = {
    "an unknown key": ("rules:\n  - when the user says: x\n    shout: y\n", 3, "unknown key 'shout'"),
    "an unknown key at the top": ("nam: x\nrules: []\n", 1, "unknown key 'nam'"),
    "no rules": ("name: x\n", 1, "`rules` must be a list"),
    "empty rules": ("rules: []\n", 1, "at least one rule"),
    "nothing at all": ("", 1, "must be a mapping"),
    "no condition": ("rules:\n  - say: x\n", 2, "a rule begins with"),
    "two conditions": (
        "rules:\n  - when the user says: a\n    when a tool returned: b\n    say: c\n",
        2,
        "a rule begins",
    ),
    "nothing to do": ("rules:\n  - when the user says: a\n", 2, "needs something to do"),
    "containing without a tool": (
        "rules:\n  - when the user says: a\n    containing: b\n    say: c\n",
        3,
        "belongs to",
    ),
    "a broken pattern": ("rules:\n  - when the user says: /(/\n    say: c\n", 2, "no regular expression"),
    "an unknown fault": ("rules:\n  - when the user says: a\n    fail: gremlins\n", 3, "'gremlins' is no fault"),
    "an unknown category": ("rules:\n  - when the user says: a\n    refuse: mice\n", 3, "is no category"),
    "a call of no shape": ("rules:\n  - when the user says: a\n    call: files\n", 3, "a call is"),
    "arguments of no shape": ("rules:\n  - when the user says: a\n    call: {t: [1]}\n", 3, "must be a mapping"),
    "a call of no tool": (
        "rules:\n  - when the user says: a\n    call:\n      - list files: {}\n",
        4,
        "no name of a tool",
    ),
    "times of no number": ("rules:\n  - when the user says: a\n    say: b\n    times: often\n", 4, "whole number"),
    "a key twice": ("rules:\n  - when the user says: a\n    say: b\n    say: c\n", 4, "stands here twice"),
    "no YAML": ("rules:\n  - when: [\n", 3, "this is no YAML"),
    "say with a list": ("rules:\n  - when the user says: a\n    say: [b]\n", 3, "a text is wanted"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_named_with_file_and_line(name: str) -> None:
    text, line, words = BAD[name]
    with pytest.raises(BadScenario) as raised:
        scenario.read(text, "tea.yaml")
    assert str(raised.value).startswith(f"tea.yaml:{line}: ")
    assert words in str(raised.value)


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=30).filter(
    lambda text: not text.startswith("/") and text.strip() == text
)
RULES = st.builds(
    Rule,
    user=WORDS,
    say=WORDS,
    think=st.none() | WORDS,
    calls=st.lists(
        st.tuples(st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.dictionaries(WORDS, WORDS, max_size=2)), max_size=2
    ).map(tuple),
    times=st.none() | st.integers(1, 9),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RULES, min_size=1, max_size=4))
def test_what_is_written_is_read_back_the_same(rules: list[Rule]) -> None:
    given = Scenario(tuple(rules), "name")
    assert scenario.read(scenario.dump(given)) == given


def test_a_failure_is_written_and_read_back() -> None:
    rule = Rule(user="x", fail=Fault("429", retry_after="2"), times=1)
    assert scenario.read(scenario.dump(Scenario((rule,)))).rules == (rule,)


STEPS = """\
rules:
  - when the user says: go
    call: {first: {}}
  - when a tool returned: first
    call: {second: {n: 2}}
  - when a tool returned: second
    say: "First {first}, then {second}."
"""


async def played(client: Any, words: list[str], results: dict[str, str]) -> list[Any]:
    """Return the whole conversation when the user says these words and tools return these results."""
    messages: list[Any] = []
    for text in words:
        messages.append({"role": "user", "content": text})
        for _ in range(6):
            reply = await client.beta.messages.create(**asked(messages))
            messages.append({"role": "assistant", "content": [block.to_dict() for block in reply.content]})
            uses = [block for block in reply.content if block.type == "tool_use"]
            if not uses:
                break
            content = [{"type": "tool_result", "tool_use_id": use.id, "content": results[use.name]} for use in uses]
            messages.append({"role": "user", "content": content})
        else:
            raise AssertionError("the turn does not end")
    return messages


def told(messages: list[Any]) -> list[Any]:
    """Return what was said and called in a conversation, without ids."""
    blocks = [block for message in messages if message["role"] == "assistant" for block in message["content"]]
    return [block.get("text") or (block["name"], block["input"]) for block in blocks if block["type"] != "thinking"]


async def test_a_rule_about_a_tool_holds_for_the_last_step_only(talk: Any) -> None:
    async with talk(Settings(scenario=scenario.read(STEPS))) as client:
        messages = await played(client, ["go"], {"first": "one", "second": "two"})
    assert told(messages) == [("first", {}), ("second", {"n": 2}), "First one, then two."]


async def test_a_scenario_that_is_written_out_and_read_again_plays_the_same(talk: Any) -> None:
    results = {"first": "one", "second": "two"}
    told_by: list[list[Any]] = []
    for script in (scenario.read(STEPS), scenario.read(scenario.dump(scenario.read(STEPS)))):
        async with talk(Settings(scenario=script)) as client:
            told_by.append(told(await played(client, ["go", "hello", "go"], results)))
    assert told_by[0] == told_by[1]
