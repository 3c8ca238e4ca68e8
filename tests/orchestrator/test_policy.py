from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from orchestrator.errors import ConfigError
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
from orchestrator.messages import Text, Tool, failed
from orchestrator.models.scripted import asks, says
from orchestrator.policy.grants import Grants
from orchestrator.policy.rehearsal import rehearse, suggest
from orchestrator.policy.rules import Policy, Rule, rules_of
from orchestrator.policy.taint import Taint
from tests.orchestrator.playing import call
from tests.orchestrator.test_conversations import HELLO, house

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def tool(name: str, *, read_only: bool = False, open_world: bool = False) -> Tool:
    server, _, original = name.partition("__")
    return Tool(
        name=name,
        server=server,
        original=original,
        input_schema={"type": "object"},
        read_only=read_only,
        open_world=open_world,
    )


READ, WRITE = tool("files__read", read_only=True), tool("files__write")
FETCH, MAIL = tool("web__fetch", read_only=True, open_world=True), tool("mail__send", open_world=True)


@pytest.mark.parametrize(
    ("rules", "which", "arguments", "effect", "why"),
    [
        ([], READ, {}, "allow", "trusted"),
        ([], WRITE, {}, "ask", "may change"),
        ([], tool("other__look", read_only=True), {}, "ask", "not trusted"),
        ([("allow", "files__*")], WRITE, {}, "allow", "allow files__* (config)"),
        ([("allow", "files__*"), ("ask", "files__write")], WRITE, {}, "ask", "ask files__write"),
        ([("allow", "files__write"), ("deny", "*")], WRITE, {}, "deny", "deny *"),
        ([("deny", "FILES__*")], READ, {}, "allow", "trusted"),
    ],
)
def test_the_strictest_rule_that_matches_counts_and_is_named(
    rules: list[tuple[str, str]], which: Tool, arguments: dict[str, JsonValue], effect: str, why: str
) -> None:
    written = tuple(Rule.model_validate({"effect": kind, "tool": glob}) for kind, glob in rules)
    decision = Policy(written, frozenset({"files"})).decide(which, arguments, NOW)
    assert (decision.effect, why in decision.why) == (effect, True), decision


@pytest.mark.parametrize(
    ("where", "arguments", "matches"),
    [
        ({"path": "notes/*"}, {"path": "notes/a.md"}, True),
        ({"path": "notes/*"}, {"path": "../notes/a.md"}, False),
        ({"path": "notes/*"}, {}, False),
        ({"dry_run": "true"}, {"dry_run": True}, True),
        ({"dry_run": "true"}, {"dry_run": "yes"}, False),
        ({"n": "3", "path": "*"}, {"n": 3, "path": "x"}, True),
    ],
)
def test_a_rule_can_ask_for_arguments(where: dict[str, str], arguments: dict[str, JsonValue], matches: bool) -> None:
    rule = Rule(effect="allow", tool="files__write", where=where)
    assert (Policy((rule,)).decide(WRITE, arguments, NOW).effect == "allow") is matches


def test_a_grant_ends_when_its_time_is_over() -> None:
    policy = Policy((Rule(effect="allow", tool="*", until=NOW + timedelta(hours=1)),))
    assert policy.decide(WRITE, {}, NOW).effect == "allow"
    assert policy.decide(WRITE, {}, NOW + timedelta(hours=1)).effect == "ask"


def test_a_tool_that_is_denied_whatever_it_is_called_with_is_hidden_from_the_model() -> None:
    assert Policy(rules_of("deny", ["files__*"])).hides(WRITE)
    assert not Policy((Rule(effect="deny", tool="files__*", where={"path": "/*"}),)).hides(WRITE)
    assert not Policy(rules_of("ask", ["*"])).hides(WRITE)


@pytest.mark.parametrize(
    ("which", "taint", "effect"),
    [
        (WRITE, Taint(), "allow"),
        (WRITE, Taint(private="files__read"), "allow"),
        (WRITE, Taint(outside="web__fetch"), "ask"),
        (MAIL, Taint(outside="web__fetch"), "ask"),
        (FETCH, Taint(outside="web__fetch"), "allow"),
        (FETCH, Taint(private="files__read"), "allow"),
        (FETCH, Taint(outside="web__fetch", private="files__read"), "ask"),
        (READ, Taint(outside="web__fetch", private="files__read"), "allow"),
    ],
)
def test_text_from_outside_re_arms_the_question_for_what_writes_or_reaches_out(
    which: Tool, taint: Taint, effect: str
) -> None:
    decision = Policy(rules_of("allow", ["*"])).decide(which, {}, NOW, taint)
    assert decision.effect == effect
    if effect == "ask":
        assert "web__fetch" in decision.why, "the source is named"


def test_a_tool_that_was_taken_back_is_not_forgotten_to_have_spoken() -> None:
    taint = Taint().after("web__gone", None)
    assert Policy(rules_of("allow", ["*"])).decide(WRITE, {}, NOW, taint).effect == "ask"
    assert Taint().after(FETCH.name, FETCH).outside == FETCH.name
    assert Taint().after(READ.name, READ) == Taint(private=READ.name)


@given(
    rules=st.lists(st.tuples(st.sampled_from(["allow", "ask", "deny"]), st.sampled_from(["*", "files__*", "web__*"]))),
    taint=st.builds(Taint, st.sampled_from(["", "web__fetch"]), st.sampled_from(["", "files__read"])),
    which=st.sampled_from([READ, WRITE, FETCH, MAIL]),
)
def test_another_rule_that_denies_or_asks_never_makes_things_laxer(
    rules: list[tuple[str, str]], taint: Taint, which: Tool
) -> None:
    order = ["allow", "ask", "deny"]
    written = tuple(Rule.model_validate({"effect": kind, "tool": glob}) for kind, glob in rules)
    before = Policy(written, frozenset({"files"})).decide(which, {}, NOW, taint).effect
    for effect in ("ask", "deny"):
        stricter = Policy((*written, Rule(effect=effect)), frozenset({"files"})).decide(which, {}, NOW, taint).effect
        assert order.index(stricter) >= order.index(before)
        assert order.index(stricter) >= order.index(effect)


def test_rules_are_kept_where_they_belong_and_seen_by_other_windows(tmp_path: Path) -> None:
    here, elsewhere = Grants(tmp_path, Path("/here")), Grants(tmp_path, Path("/elsewhere"))
    for scope in ("session", "project", "user"):
        here.give(Rule(effect="allow", tool=scope, scope=scope))
    assert [rule.tool for rule in here.rules()] == ["session", "project", "user"]
    assert [rule.tool for rule in elsewhere.rules()] == ["user"]
    assert [rule.tool for rule in Grants(tmp_path, Path("/here")).rules()] == ["project", "user"]


def test_a_file_of_rules_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"user": [{"effect": "perhaps"}]}')
    with pytest.raises(ConfigError, match=r"rules\.json"):
        Grants(tmp_path, Path("/here")).rules()


@pytest.mark.anyio
async def test_a_rule_given_with_one_answer_answers_the_calls_that_wait_beside_it() -> None:
    async with house(asks([call("a"), call("b"), call("c", name="x")]), says("Ok.")) as one:
        started = await one.conversations.start_turn(HELLO)
        with anyio.fail_after(10):
            async with one.conversations.watch(started.conversation_id) as events:
                asked = 0
                async for recorded in events:
                    asked += isinstance(recorded.event, ApprovalRequested)
                    if asked == 3:
                        break
        rule = Rule(effect="allow", tool="notes__*", scope="session")
        await one.conversations.decide(started.conversation_id, "b", allowed=True, rule=rule)
        seen = await one.ended(started)
    resolved = {event.call_id: event for event in seen if isinstance(event, ApprovalResolved)}
    assert sorted(resolved) == ["a", "b", "c"]
    assert all(str(rule) in event.rule for event in resolved.values())


@pytest.mark.anyio
async def test_arguments_that_the_user_changed_are_the_ones_that_count_and_the_model_is_told() -> None:
    got: list[dict[str, JsonValue]] = []

    async def work(arguments: dict[str, JsonValue], desk: object) -> str:
        got.append(arguments)
        return "done"

    async with house(asks([call("a", name="secret")]), says("Ok."), work=work) as one:
        started = await one.conversations.start_turn(HELLO)
        await one.seen(started, ApprovalRequested)
        await one.conversations.decide(started.conversation_id, "a", allowed=True, arguments={"name": "public"})
        await one.ended(started)
    assert got == [{"name": "public"}]
    assert '"name": "public"' in str(one.model.requests[-1].messages[-1])


def past() -> list[Recorded]:
    """Return a conversation: three writes were asked and allowed, one fetch came before the last of them."""
    events: list[DurableEvent] = [TurnStarted(content=(Text(text="go"),))]
    for step, (name, which) in enumerate([("w1", WRITE), ("w2", WRITE), ("f", FETCH), ("w3", WRITE)], start=1):
        events.append(StepFinished(step=step, **dict(asks([call(name, which.name, path=name)]))))
        if which is WRITE:
            events.append(ApprovalRequested(call_id=name, tool=which.name, arguments={}, why="test"))
            events.append(ApprovalResolved(call_id=name, allowed=True))
        events.append(ToolStarted(call_id=name, tool=which.name, why="test"))
        events.append(ToolFinished(call_id=name, result=failed(name, "x")))
    events.append(TurnFinished(reason="done"))
    return [
        Recorded(conversation_id="c", turn_id="t", seq=seq, at=NOW, event=event)
        for seq, event in enumerate(events, start=1)
    ]


def test_a_rehearsal_counts_the_questions_and_names_what_would_have_passed() -> None:
    policy = Policy(rules_of("allow", ["files__*", "web__*"]))
    found = rehearse([past()], [READ, WRITE, FETCH], policy)
    assert (found.calls, found.asked_then, found.asked_now) == (4, 3, 1), "the write after the fetch is still asked"
    assert [one.id for one in found.passed] == ["w1", "w2"]
    assert rehearse([past()], [READ], policy).calls == 0, "of tools that are gone nothing can be said"


def test_a_suggestion_is_for_what_was_always_allowed() -> None:
    assert suggest([past()], [WRITE, FETCH], "user") == [(Rule(effect="allow", tool="files__write", scope="user"), 3)]
    denied = [*past(), *past()]
    no = ApprovalResolved(call_id="w1", allowed=False)
    denied[3] = denied[3].model_copy(update={"event": no})
    assert suggest([denied], [WRITE, FETCH], "user") == []
