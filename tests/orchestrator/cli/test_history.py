"""`conversations`, `policy` and `usage` on a history that is there already: in this process, without servers."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from orchestrator.app import open_history
from orchestrator.cli.main import main
from orchestrator.config import Config, load
from orchestrator.conversation import fold
from orchestrator.events import (
    ApprovalRequested,
    ApprovalResolved,
    DurableEvent,
    Recorded,
    StepFinished,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Call, Message, Result, Text, Usage
from orchestrator.store.sqlite import SqliteStore
from orchestrator.tools.manifest import Listed, Manifest, Manifests
from tests.orchestrator.cli.desk import CommandLine
from tests.orchestrator.playing import begun

OPUS = "claude-opus-5-5"
PRICED = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=8_000, cache_write_5m_tokens=1_000)


def turn(number: int, model: str = OPUS, *, by: str = "user", allowed: bool = True) -> list[DurableEvent]:
    """One turn that asks for a pot of tea, and is asked about."""
    call = Call(id=f"call{number}", tool="tea__brew", arguments={"kind": f"assam {number}"})
    result = Result(call_id=call.id, content=(Text(text=f"brewed pot {number}"),))
    words = Message(role="assistant", content=(Text(text=f"Here is pot {number}."),))
    return [
        TurnStarted(content=(Text(text=f"make tea {number}"),)),
        StepFinished(
            step=1, message=Message(role="assistant", content=(call,)), stop="calls", usage=PRICED, model=model
        ),
        ApprovalRequested(call_id=call.id, tool=call.tool, arguments=call.arguments, why="no rule"),
        ApprovalResolved.model_validate({"call_id": call.id, "allowed": allowed, "by": by}),
        ToolStarted(call_id=call.id, tool=call.tool, why="allowed by the user"),
        ToolFinished(call_id=call.id, result=result),
        StepFinished(step=2, message=words, stop="done", usage=Usage(input_tokens=10, output_tokens=5), model=model),
        TurnFinished(reason="done"),
    ]


class Here:
    """Runs commands on the desk's history, and returns exit code, stdout and stderr."""

    def __init__(self, desk: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
        self.desk = desk
        self._capsys = capsys

    @property
    def journal(self) -> Path:
        return self.desk.home / "data" / "journal.db"

    def run(self, *words: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(list(words))
        shown = self._capsys.readouterr()
        return code, shown.out, shown.err

    def record(self, name: str, *turns: list[DurableEvent]) -> None:
        async def work() -> None:
            store = SqliteStore(self.journal)
            await store.create(name)
            for number, (first, *more) in enumerate(turns):
                await store.append(await begun(store, name, f"t_{name}_{number}", first), more)
            await store.close()

        anyio.run(work)

    def events(self, name: str) -> list[Recorded]:
        async def work() -> list[Recorded]:
            store = SqliteStore(self.journal)
            try:
                return await store.events(name)
            finally:
                await store.close()

        return anyio.run(work)


@pytest.fixture
def here(desk: CommandLine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """A desk with two conversations, whose tools are remembered, so that no server is started."""
    monkeypatch.chdir(desk.home)
    monkeypatch.setenv("ORCHESTRATOR_DATA_DIR", str(desk.home / "data"))
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(desk.config))
    made = Here(desk, capsys)
    made.record("c_one", turn(1), turn(2))
    made.record("c_two", turn(3, "llama-at-home"))
    server = load(None, cwd=desk.home, env={"ORCHESTRATOR_CONFIG": str(desk.config)}).mcp_servers["tea"]
    brew = Listed(original="brew", given={"type": "object"}, offered={"type": "object"}, open_world=False)
    look = Listed(original="look", given={"type": "object"}, offered={"type": "object"}, read_only=True)
    Manifests(desk.home / "data" / "servers" / "manifests").write(server, Manifest(name="tea", tools=(brew, look)))
    return made


def test_words_are_found_in_what_was_said_and_in_what_tools_returned(here: Here) -> None:
    code, out, _ = here.run("conversations", "search", "here", "pot")
    assert code == 0
    assert out.splitlines()[0] == "c_two  make tea 3"
    assert "  model  «Here» is «pot» 1." in out
    assert "brewed" not in out
    code, out, _ = here.run("conversations", "search", "brew", "--results", "--limit", "1")
    assert out == "c_two  make tea 3\n      6  tool   «brewed» pot 3\n"
    code, out, err = here.run("conversations", "search", "coffee")
    assert (code, out) == (1, "")
    assert "Nothing was found" in err


def test_a_fork_holds_the_conversation_up_to_an_event_and_can_go_on(here: Here) -> None:
    code, out, err = here.run("conversations", "fork", "c_one", "--at", "10")
    assert code == 0
    new = out.strip()
    assert f"--resume {new}" in err
    assert [one.event for one in here.events(new)][:10] == [one.event for one in here.events("c_one")][:10]
    assert fold(new, here.events(new)).turn is None
    assert here.run("conversations", "fork", "c_one", "--at", "99")[0] == 2
    assert here.run("conversations", "fork", "nobody")[0] == 2


def test_events_are_numbered_on_demand_as_fork_wants_them(here: Here) -> None:
    rows = here.run("conversations", "show", "c_two", "--numbers")[1].splitlines()
    assert "    1  > make tea 3" in rows
    assert "    6  ✓ tea__brew  brewed pot 3 · 0.0s" in rows
    code, _, err = here.run("conversations", "fork", "c_two", "--at", "99")
    assert (code, "`conversations show --numbers`" in err) == (2, True)


def test_an_export_is_written_to_stdout_or_to_a_file(here: Here) -> None:
    code, out, _ = here.run("conversations", "export", "c_two")
    assert code == 0
    assert out.startswith("## make tea 3\n")
    assert "Allowed by the user." in out
    file = here.desk.home / "two.json"
    assert here.run("conversations", "export", "c_two", "--format", "json", "--output", str(file))[:2] == (0, "")
    assert [one["event"]["type"] for one in json.loads(file.read_text())["events"]][-1] == "turn_finished"
    code, _, err = here.run("conversations", "export", "c_two", "--output", str(here.desk.home))
    assert code == 2
    code, _, err = here.run("conversations", "export", "c_two", "--output", str(here.desk.home / "no" / "two.md"))
    assert (code, "cannot be written" in err) == (2, True)


def test_a_conversation_is_deleted_only_if_somebody_says_so(here: Here) -> None:
    code, _, err = here.run("conversations", "delete", "c_one")
    assert (code, "Add --yes" in err) == (2, True)
    assert here.run("conversations", "delete", "c_one", "--yes") == (0, "", "Deleted: c_one\n")
    assert "c_one" not in here.run("conversations", "list")[1]
    here.record("c_open", turn(4)[:3])
    assert here.run("conversations", "delete", "c_open", "--yes")[0] == 0, "its process is no more"


def test_a_conversation_at_work_in_another_window_is_not_deleted(here: Here) -> None:
    async def delete_while_another_window_is_open() -> int:
        async with open_history(Config(data_dir=here.journal.parent), env={}) as other:
            store = SqliteStore(here.journal)
            await store.create("c_busy")
            await store.begin("c_busy", "t", other.conversations._owner, turn(5)[0])  # pyright: ignore[reportPrivateUsage]
            await store.close()
            return await anyio.to_thread.run_sync(main, ["conversations", "delete", "c_busy", "--yes"])

    assert anyio.run(delete_while_another_window_is_open) == 2
    assert "c_busy" in here.run("conversations", "list")[1]


def test_a_damaged_history_is_salvaged_and_what_was_lost_is_said(here: Here) -> None:
    here.run("conversations", "list")  # which merges the log
    raw = bytearray(here.journal.read_bytes())
    raw[:4096] = b"\xff" * 4096
    here.journal.write_bytes(raw)
    code, _, err = here.run("conversations", "list")
    assert (code, "salvage FILE" in err) == (1, True)
    new = here.desk.home / "new.db"
    code, out, _ = here.run("conversations", "salvage", str(here.journal), "--output", str(new))
    assert code == 0
    assert out.startswith(f"2 conversations with 24 events are in {new}.\n")
    old = here.journal
    assert out.endswith(f"  mv {old} {old}.damaged; rm -f {old}-wal {old}-shm; mv {new} {old}\n")
    assert here.run("conversations", "salvage", str(here.journal), "--output", str(new))[0] == 2, "it is there already"
    subprocess.run(["sh", "-c", out.splitlines()[-1]], check=True, timeout=30)
    assert "make tea 1" in here.run("conversations", "list")[1]


def test_usage_is_counted_by_day_model_conversation_and_server(here: Here) -> None:
    day = f"{datetime.now(UTC).astimezone():%Y-%m-%d}"
    code, out, _ = here.run("usage")
    assert code == 0
    rows = out.splitlines()
    assert rows[0].split() == ["day", "steps", "fresh", "cached", "written", "output", "hits", "dollars"]
    assert rows[1].split() == [day, "6", "3,030", "24,000", "3,000", "315", "80%", "≥", "$0.0255"]
    assert rows[-1].startswith(f"{day}  ████")
    assert "No price is known for llama-at-home: tokens without dollars." in rows
    rows = here.run("usage", "--by", "model")[1].splitlines()
    assert {row.split()[0]: row.split()[-1] for row in rows[1:4]} == {
        OPUS: "$0.0255",
        "llama-at-home": "-",
        "all": "$0.0255",
    }
    rows = here.run("usage", "--by", "conversation")[1].splitlines()
    assert {" ".join(row.split()[:4]) for row in rows[1:3]} == {"c_one make tea 1", "c_two make tea 3"}
    rows = here.run("usage", "--by", "server")[1].splitlines()
    assert [row.split()[:2] for row in rows[1:4]] == [["tea", "3"], ["(answers)", "3"], ["all", "6"]]
    assert here.run("usage", "--since", "2199-01-01") == (0, "Nothing was used since then.\n", "")
    assert here.run("usage", "--since", "tomorrow")[0] == 2


def test_a_fork_does_not_pay_twice_for_what_it_was_made_of(here: Here) -> None:
    before = here.run("usage")[1]
    assert here.run("conversations", "fork", "c_one")[0] == 0
    assert here.run("usage")[1] == before


def test_the_price_list_says_its_date_and_its_sources(here: Here) -> None:
    out = here.run("usage", "--prices")[1]
    assert out.startswith("as of 20")
    assert f"{OPUS} " in out
    assert "platform.claude.com" in out.partition("Sources:")[2]


def test_why_names_the_decision_and_the_rule(here: Here) -> None:
    here.desk.configure(policy={"allow": ["tea__*"], "deny": ["tea__look"]})
    rows = here.run("policy", "why", "tea__brew", '{"kind": "x"}')[1].splitlines()
    assert rows[:2] == ["allow: tea__brew kind=x", "  because: rule: allow tea__* (config)"]
    rows = here.run("policy", "why", "tea__look")[1].splitlines()
    assert rows[1:3] == ["  because: rule: deny tea__look (config)", "  also matches: allow tea__* (config)"]
    code, _, err = here.run("policy", "why", "tea__bru")
    assert (code, "tea__brew" in err) == (2, True)
    code, _, err = here.run("policy", "why", "tea__brew", "{")
    assert (code, "not JSON" in err) == (2, True)
    rows = here.run("policy", "show")[1].splitlines()
    assert rows[0].split() == ["deny", "tea__look", "(config)", "the", "config", "file"], "the strictest first"


def test_rules_are_rehearsed_on_the_past(here: Here) -> None:
    here.record("c_old", [*turn(9)[:1], gone(), TurnFinished(reason="done")])
    code, out, _ = here.run("policy", "test")
    assert out.splitlines() == [
        "3 questions -> 3  (3 calls in 3 conversations)",
        "1 call of tools that are not known here any more left out.",
    ]
    file = here.desk.home / "rules.json"
    file.write_text('[{"effect": "allow", "tool": "tea__brew", "where": {"kind": "assam [12]"}}]')
    rows = here.run("policy", "test", "--rules", str(file))[1].splitlines()
    assert rows[:4] == [
        "3 questions -> 1  (3 calls in 3 conversations)",
        "2 that may change something would have passed without a question:",
        '  tea__brew kind="assam 1"',
        '  tea__brew kind="assam 2"',
    ]
    file.write_text('{"deny": ["tea__*"]}')
    assert "3 would be refused" in here.run("policy", "test", "--rules", str(file))[1]
    for text in ('{"forbid": []}', "[", '[{"effect": "maybe"}]'):
        file.write_text(text)
        code, _, err = here.run("policy", "test", "--rules", str(file))
        assert (code, "cannot be used" in err) == (2, True)


def gone() -> StepFinished:
    message = Message(role="assistant", content=(Call(id="x", tool="gone__tool", arguments={}),))
    return StepFinished(step=1, message=message, stop="calls", usage=Usage(), model=OPUS)


def test_rules_are_suggested_for_what_was_always_allowed_by_hand_and_kept_on_demand(here: Here) -> None:
    code, out, _ = here.run("policy", "suggest")
    assert out.startswith("allow tea__brew (project)  would have saved 3 questions\n")
    assert "tea__brew" not in here.run("policy", "show")[1], "nothing is kept yet"
    code, out, _ = here.run("policy", "suggest", "--save")
    assert (code, "Kept." in out) == (0, True)
    shown = here.run("policy", "show")[1]
    assert shown.startswith("allow tea__brew (project)  given for this folder\n")
    kept = here.journal.with_name("rules.json")
    assert f"Given rules are kept in {kept}; take one back by deleting it there.\n" in shown
    assert "tea__brew" in kept.read_text()
    assert here.run("policy", "why", "tea__brew")[1].startswith("allow: ")
    assert "Nothing to suggest" in here.run("policy", "suggest", "--save")[1]


def test_what_no_human_decided_suggests_nothing(here: Here) -> None:
    here.run("conversations", "delete", "c_one", "--yes")
    here.record("c_script", turn(5, by="automatic"), turn(6, by="automatic"))
    assert "Nothing to suggest" in here.run("policy", "suggest")[1]
    here.record("c_no", turn(7), turn(8, allowed=False))
    assert "Nothing to suggest" in here.run("policy", "suggest")[1], "it was refused once"
