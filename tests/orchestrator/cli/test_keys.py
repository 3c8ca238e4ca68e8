"""Every key that answers an approval, at a real terminal, and the rule that it leaves behind."""

from __future__ import annotations

import pytest

from tests.orchestrator.cli.desk import CommandLine
from tests.orchestrator.cli.terminal import CTRL_C, CTRL_D, PROMPT, Terminal, terminal

BREW = '/call tea__brew {"kind": "assam"}'
SERVE = '/call tea__serve {"pot": "blue"}'
KEYS, SCOPES, LINE = "[d] all details: ", "[Enter] none of them: ", "(Ctrl-C leaves them):"
BREWED = "✓ tea__brew kind=assam  brewed assam"
TO_THE_START, AWAY_WITH_THE_REST = "\x01", "\x0b"


def test_yes_counts_once_and_a_rule_for_the_session_leaves_nothing_behind(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        ask(screen, BREW)
        screen.type("y\n")
        screen.until(BREWED, PROMPT)
        screen.type(f"{BREW}\r")
        screen.until("? tea wants to run brew", KEYS)
        screen.type("T\n")
        screen.until("[s] allow tea__brew (session)", SCOPES)
        screen.type("s\n")
        screen.until(BREWED, PROMPT)
        screen.type(f"{BREW}\r")
        screen.until(BREWED, PROMPT)
        leave(screen)
    assert screen.text.count("? tea wants to run brew") == 2
    assert rules(desk)[0] == "There are no rules."


@pytest.mark.parametrize(
    ("key", "scope", "rule", "where"),
    [
        ("t", "f", "allow tea__brew (project)", "given for this folder"),
        ("s", "a", "allow tea__* (user)", "given for every folder"),
    ],
)
def test_a_rule_from_a_key_is_shown_then_kept_and_no_question_is_asked_any_more(
    desk: CommandLine, key: str, scope: str, rule: str, where: str
) -> None:
    with terminal(desk) as screen:
        ask(screen, BREW)
        screen.type(f"{key}\n")
        screen.until("The rule to keep:", f"[{scope}] {rule}", SCOPES)
        screen.type(f"{scope}\n")
        screen.until(BREWED, PROMPT)
        leave(screen)
    assert rules(desk)[0].split("  ") == [rule, where]
    code, out, err = desk.run("ask", BREW)
    assert code == 0, (out, err)
    assert "brewed assam" in out


def test_the_key_for_reading_tools_covers_those_of_the_server_and_no_other(desk: CommandLine) -> None:
    desk.configure(policy={"trust": []})
    with terminal(desk) as screen:
        ask(screen, SERVE)
        screen.type("r\n")
        screen.until("[f] allow tea__* that only read (project)", SCOPES)
        screen.type("f\n")
        screen.until("What goes into the blue pot?", "[n] decline: ")
        screen.type("n\n")
        screen.until("✗ tea__serve pot=blue", PROMPT)
        screen.type(f"{BREW}\r")
        screen.until("? tea wants to run brew", "it may change something", KEYS)
        screen.type("r\n")
        screen.until("There is no [r] here.", KEYS)
        screen.type("n not now\n")
        screen.until("denied: not now", PROMPT)
        leave(screen)
    assert rules(desk)[0].startswith("allow tea__* that only read (project)")


def test_never_leaves_a_rule_that_denies_and_the_model_is_not_told_of_the_tool_any_more(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        ask(screen, BREW)
        screen.type("N\n")
        screen.until("[a] deny tea__brew (user)", SCOPES)
        screen.type("\n")
        screen.until(KEYS)
        screen.type("N\n")
        screen.until(SCOPES)
        screen.type("a\n")
        screen.until("✗ tea__brew kind=assam  denied", PROMPT)
        leave(screen)
    assert rules(desk)[0].split("  ") == ["deny tea__brew (user)", "given for every folder"]
    why = desk.run("policy", "why", "tea__brew")[1]
    assert why.startswith("deny: tea__brew\n")
    assert "the model is not even told of this tool" in why
    assert "brewed" not in desk.run("ask", BREW, "--yes")[1]


def test_edited_arguments_are_what_runs_and_what_does_not_fit_is_said_and_edited_again(desk: CommandLine) -> None:
    with terminal(desk) as screen:
        ask(screen, BREW)
        screen.type("e\n")
        screen.until(LINE, PROMPT, '{"kind": "assam"}')
        screen.type(CTRL_C)
        screen.until(KEYS)
        screen.type("e\n")
        screen.until(LINE, PROMPT, '{"kind": "assam"}')
        screen.type(TO_THE_START + AWAY_WITH_THE_REST + '{"kind": 5}\r')
        screen.until("kind: 5 is not of type 'string'", LINE, PROMPT)
        screen.type(TO_THE_START + AWAY_WITH_THE_REST + '{"kind": "sencha"}\r')
        screen.until("✓ tea__brew kind=sencha", "brewed sencha", PROMPT)
        leave(screen)
    shown = desk.run("conversations", "show", "last")[1]
    assert "with the user's arguments: kind=sencha" in shown
    assert "● tea__brew kind=sencha  (allowed by the user)" in shown
    assert "brewed assam" not in shown


def ask(screen: Terminal, message: str) -> None:
    """Send a message whose call is asked about."""
    screen.until(PROMPT)
    screen.type(f"{message}\r")
    screen.until("? tea wants to run ", KEYS)


def leave(screen: Terminal) -> None:
    screen.type(CTRL_D)
    assert screen.exit_code() == 0


def rules(desk: CommandLine) -> list[str]:
    """Return the rules that `policy show` lists."""
    code, out, err = desk.run("policy", "show")
    assert code == 0, err
    return out.splitlines()
