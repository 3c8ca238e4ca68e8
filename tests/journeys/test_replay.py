"""A conversation becomes a regression test: the same again, with a changed server, as a scenario, as a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.stage import PROGRAMS, Desk, Done, calls, of_type, program, recorded, simulator

SAID = calls(("workshop__note", {"name": "tea"}), ("workshop__meet", {"people": 1, "name": "Ann"}))


@dataclass(frozen=True)
class Past:
    """A user's machine on which something was asked."""

    desk: Desk
    config: str
    asked: Done

    @property
    def id(self) -> str:
        return recorded(self.asked)[0]["conversation_id"]

    @property
    def trace(self) -> list[str]:
        """What the server wrote down: a line for each time that it was really called."""
        return (self.desk.folder / "trace").read_text().splitlines()

    def replay(self, *words: str, name: str = "", **env: str) -> Done:
        return self.desk.run("--config", self.config, "replay", name or self.id, *words, env=env)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    folder = tmp_path_factory.mktemp("past")
    desk = Desk(folder / "home", folder / "work")
    desk.home.mkdir()
    desk.folder.mkdir()
    config = desk.configure({"workshop": program("workshop", str(desk.folder))}, limits={"start_seconds": 30})
    return Past(desk, config, ask(desk, config))


def ask(desk: Desk, config: str, **env: str) -> Done:
    done = desk.run("--config", config, "ask", SAID, "--yes", "--stream-json", env=env)
    assert done.code == 0, done
    return done


def made(done: Done) -> list[tuple[str, Any]]:
    """Return the calls that were made, as tools and arguments."""
    blocks = [block for step in of_type(recorded(done), "step_finished") for block in step["message"]["content"]]
    return [(block["tool"], block["arguments"]) for block in blocks if block["type"] == "call"]


def said(done: Done) -> list[str]:
    """Return what the model said, step by step."""
    blocks = [block for step in of_type(recorded(done), "step_finished") for block in step["message"]["content"]]
    return [block["text"] for block in blocks if block["type"] == "text"]


def test_what_was_asked_replays_to_the_byte_without_a_server_and_without_a_network(past: Past) -> None:
    before = past.trace
    nowhere = {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_API_KEY": "sk-ant-not-a-key"}
    done = past.replay("--strict", name="last", **nowhere)
    assert done.code == 0, done
    assert done.out.startswith("✓ The same to the byte: 1 turn, 2 calls, ")
    assert past.trace == before, "nothing was called again"


def test_a_file_of_the_conversation_replays_anywhere_and_a_tampered_one_is_found_out(past: Past) -> None:
    saved = past.replay("--save", "tea.json")
    assert saved.code == 0, saved
    other = {"ORCHESTRATOR_DATA_DIR": str(past.desk.home / "another")}
    assert past.replay(name="tea.json", **other).code == 0
    file = past.desk.folder / "tea.json"
    cassette = json.loads(file.read_text())
    ended = cassette["events"][-1]
    ended["event"]["detail"] = "Never said."
    file.write_text(json.dumps(cassette))
    done = past.replay(name="tea.json", **other)
    assert done.code == 1, done
    assert f"Event {ended['seq']} is not as it was recorded" in done.out
    assert '-  "detail": "Never said."' in done.out


def test_a_changed_server_shows_which_result_changed(past: Past) -> None:
    before = past.trace
    done = past.replay("--swap", f"workshop={past.config}")
    assert done.code == 0, done
    assert "2 calls made again: 2 as then, 0 changed." in done.out
    assert past.trace == [*before, "tea"], "a swapped server is really called"
    changed = past.desk.home / "changed.py"
    changed.write_text((PROGRAMS / "workshop.py").read_text().replace("noted {name}", "written down: {name}"))
    done = past.replay("--swap", f"workshop={sys.executable} {changed} {past.desk.folder}")
    assert done.code == 1, done
    rows = done.out.splitlines()
    place = rows.index("≠ workshop__note name=tea")
    assert rows[place + 1 : place + 3] == ["    - noted tea", "    + written down: tea"]
    assert rows[-1] == "2 calls made again: 1 as then, 1 changed."


def test_the_simulator_with_the_recorded_scenario_makes_the_same_calls_and_says_the_same(past: Past) -> None:
    done = past.replay("--record", "tea.yaml")
    assert done.code == 0, done
    scenario = past.desk.folder / "tea.yaml"
    scenario.write_text(scenario.read_text().replace("I call", "By the scenario I call"))
    with simulator("--scenario", str(scenario)) as url:
        again = ask(past.desk, past.config, ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY="simulator")
    assert made(again) == made(past.asked) != []
    assert said(again) == [text.replace("I call", "By the scenario I call") for text in said(past.asked)]
    assert said(again) != said(past.asked), "it was the scenario that spoke"


def test_another_model_is_asked_and_what_it_does_otherwise_is_shown(past: Past) -> None:
    before = past.trace
    scenario = past.desk.folder / "other.yaml"
    rules = [
        {"when the user says": "tea", "say": "Once is enough.", "call": {"workshop__note": {"name": "tea"}}},
        {"when a tool returned": "workshop__note", "containing": "noted tea", "say": "I rest."},
    ]
    scenario.write_text(json.dumps({"rules": rules}))
    with simulator("--scenario", str(scenario)) as url:
        env = {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "simulator"}
        done = past.replay("--model", "claude-haiku-5-5", **env)
    assert done.code == 1, done
    assert '    - workshop__meet {"arguments":{"people":1,"name":"Ann"}}' in done.out
    assert "    + I rest." in done.out, "the recorded result was read"
    assert past.trace == before, "tools answer from the recording"
