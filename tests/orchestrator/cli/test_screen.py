from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.screen import LIVE_ROWS, Screen
from orchestrator.cli.writer import TerminalWriter, Writer
from orchestrator.events import (
    AnswerRetried,
    ApprovalRequested,
    ApprovalResolved,
    DurableEvent,
    LiveEvent,
    Recorded,
    TextDelta,
    ThinkingDelta,
    ToolInputDelta,
    ToolProgress,
    TurnFinished,
    TurnStarted,
)
from orchestrator.messages import Text, Usage
from tests.orchestrator.cli.telling import NOON, call, finished, spoken, started, step, told

HELLO = TurnStarted(content=(Text(text="hello"),))
DONE = TurnFinished(reason="done")
LIST = call("a", path=".")


def plain(*events: DurableEvent | LiveEvent) -> str:
    """Return what a pipe gets."""
    out, screen = io.StringIO(), Screen()
    writer = Writer(out)
    for recorded in told(*events):
        writer.write(screen.feed(recorded))
    writer.close()
    return out.getvalue()


def test_a_turn_with_a_call_reads_from_top_to_bottom() -> None:
    text = plain(
        HELLO,
        *spoken("I look."),
        step(LIST, text="I look."),
        started(LIST),
        finished(LIST, '{"entries": [1, 2, 3]}'),
        *spoken("Three files.", 5),
        step(text="Three files.", number=2),
        DONE,
    )
    assert text == ("I look.\n\n● files__fs_list path=.\n✓ files__fs_list  3 entries · 1.0s\n\nThree files.\n")


def test_words_that_the_stream_did_not_bring_are_shown_when_the_step_is_there() -> None:
    assert plain(HELLO, step(text="All of it."), DONE) == "All of it.\n"
    assert plain(HELLO, *spoken("All of"), step(text="All of it."), DONE) == "All of it.\n"


def test_a_failed_call_says_why() -> None:
    text = plain(HELLO, step(LIST), started(LIST), finished(LIST, "no folder '.'\nTry another.", fails=True), DONE)
    assert text.splitlines()[1] == "✗ files__fs_list  no folder '.' Try another. · 1.0s"


def test_a_call_that_a_rule_refused_never_looks_as_if_it_had_run() -> None:
    text = plain(HELLO, step(LIST), finished(LIST, "denied (rule: deny files__*).", fails=True), DONE)
    assert text == "✗ files__fs_list path=.  denied (rule: deny files__*).\n"


def test_a_call_that_the_user_denied_says_so_with_the_reason() -> None:
    asked = ApprovalRequested(call_id="a", tool=LIST.tool, arguments=LIST.arguments, why="no rule")
    denied = ApprovalResolved(call_id="a", allowed=False, note="not\nhere")
    text = plain(HELLO, step(LIST), asked, denied, finished(LIST, "denied by the user", fails=True), DONE)
    assert text == "✗ files__fs_list path=.  denied: not here\n"


def test_waiting_for_a_human_is_not_counted_as_the_time_of_the_call() -> None:
    asked = ApprovalRequested(call_id="a", tool=LIST.tool, arguments=LIST.arguments, why="no rule")
    allowed = ApprovalResolved(call_id="a", allowed=True)
    slow = finished(LIST, "ok").model_copy(update={"seconds": 600.0})
    text = plain(HELLO, step(LIST), asked, *spoken("x" * 90), allowed, started(LIST), slow, DONE)
    assert "✓ files__fs_list  ok · 1.0s" in text


@pytest.mark.parametrize("reason", ["failed", "limit", "refused", "length"])
def test_a_turn_that_ends_badly_says_why_and_how_to_go_on(reason: str) -> None:
    end = TurnFinished.model_validate({"reason": reason, "detail": "Nothing answers there. Check it.", "code": "x"})
    lines = plain(HELLO, end).splitlines()
    assert lines[0] == "! Nothing answers there. Check it."
    assert "Your message is kept" in lines[1]
    assert "--resume c" in lines[1]


def test_a_cancelled_turn_shows_which_calls_were_stopped() -> None:
    text = plain(HELLO, step(LIST), started(LIST), TurnFinished(reason="cancelled"))
    assert "✗ files__fs_list path=.  stopped" in text
    assert "Stopped." in text


def test_an_answer_that_broke_off_is_declared_void_and_asked_again() -> None:
    retried = AnswerRetried(attempt=2, why="The answer was cut.", seconds=1.5)
    text = plain(HELLO, *spoken("Half a sen"), retried, *spoken("Whole."), step(text="Whole."), DONE)
    assert "Half a sen\n\n· The answer was cut; asking again in 1.5s (attempt 2). What was said above is void." in text
    assert text.endswith("\nWhole.\n")


def test_thinking_and_half_written_arguments_are_not_shown() -> None:
    assert plain(HELLO, ThinkingDelta(text="hm"), ToolInputDelta(call_id="a", tool="t", text="{"), DONE) == ""


def test_a_rule_that_decided_is_named() -> None:
    asked = ApprovalRequested(call_id="a", tool=LIST.tool, arguments=LIST.arguments, why="no rule")
    ruled = ApprovalResolved(call_id="a", allowed=True, rule="rule: allow files__* (session)", by="rule")
    text = plain(HELLO, step(LIST), asked, ruled, started(LIST), finished(LIST, "x"), DONE)
    assert text.startswith("· files__fs_list  allowed by rule: allow files__* (session)\n● files__fs_list path=.\n")


def test_the_arguments_that_the_user_gave_are_the_ones_shown() -> None:
    edited = ApprovalResolved(call_id="a", allowed=True, arguments={"path": "docs"})
    text = plain(HELLO, step(LIST), edited, started(LIST), finished(LIST, "x"), DONE)
    assert text.startswith("● files__fs_list path=docs\n")


def test_thinking_is_dimmed_at_a_terminal_and_apart_from_the_words() -> None:
    thought = [ThinkingDelta(text="Let me "), ThinkingDelta(text="see.\nAh\x1b[2J.")]
    rows, written = terminal(told(HELLO, *thought, *spoken("Yes."), step(text="Yes."), DONE))
    assert rows[:4] == ["Let me see.", "Ah[2J.", "", "Yes."]
    assert "\x1b[2mLet me\x1b[22m" in written
    assert "\x1b[22m" not in written[written.index("Yes.") :], "the words themselves are not dimmed"


def test_dollars_are_shown_where_the_model_has_a_price() -> None:
    usage = Usage(input_tokens=100_000, output_tokens=10_000)
    for model, shown in (("claude-opus-5-5", " · $0.60"), ("simulator (claude-opus-5-5)", " out")):
        rows, _ = terminal(told(HELLO, step(text="x").model_copy(update={"model": model, "usage": usage}), DONE))
        assert rows[-2].endswith(shown), rows


HOSTILE = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp.exe\r\x00\x7f\ud800\U000e0041 ok"


def test_nothing_that_others_wrote_reaches_the_terminal_as_a_control() -> None:
    evil = call(HOSTILE, tool=HOSTILE, **{HOSTILE: HOSTILE})
    text = plain(
        HELLO,
        *spoken(HOSTILE, 1),
        step(evil, text=HOSTILE),
        started(evil),
        finished(evil, HOSTILE),
        AnswerRetried(attempt=1, why=HOSTILE, seconds=1),
        TurnFinished(reason="failed", detail=HOSTILE),
    )
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff\U000e0000-\U000e007f]", text)
    text.encode()  # no lone surrogate is left
    assert text.count("ok") >= 4


@given(text=st.text(max_size=60), size=st.integers(min_value=1, max_value=7))
def test_streaming_in_any_pieces_shows_what_the_whole_would_show(text: str, size: int) -> None:
    assert plain(HELLO, *spoken(text, size), step(text=text), DONE) == plain(HELLO, step(text=text), DONE)


def test_rows_on_stderr_leave_only_the_words_on_stdout() -> None:
    out, err, screen = io.StringIO(), io.StringIO(), Screen()
    writer = Writer(out, err)
    events = (HELLO, *spoken("One."), step(LIST, text="One."), started(LIST), finished(LIST, "x"), step(text="Two."))
    for recorded in told(*events, DONE):
        writer.write(screen.feed(recorded))
    assert out.getvalue() == "One.\n\nTwo.\n"
    assert err.getvalue() == "● files__fs_list path=.\n✓ files__fs_list  x · 1.0s\n"


def terminal(recorded: list[Recorded], width: int = 80) -> tuple[list[str], str]:
    """Return what stands on a terminal at the end, replayed from its control codes, and all that was written."""
    out, screen = io.StringIO(), Screen(live=True)
    writer = TerminalWriter(out)
    for one in recorded:
        writer.write(screen.feed(one))
        writer.draw_live(screen.live_rows(one.at))
    writer.close()
    rows = [""]
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|\n|[^\x1b\n]+", out.getvalue()):
        if part == "\n":
            rows.append("")
        elif part == "\x1b[1A":
            rows.pop()
        elif part == "\x1b[2K":
            rows[-1] = ""
        elif not part.startswith("\x1b"):
            rows[-1] += part
    return rows, out.getvalue()


def test_the_live_region_shows_running_calls_and_leaves_nothing_behind() -> None:
    calls = [call(f"c{number}", path=f"p{number}") for number in range(12)]
    events = [HELLO, *spoken("Look."), step(*calls, text="Look."), *map(started, calls)]
    events += [ToolProgress(call_id="c3", done=1, total=4, text="reading"), *(finished(one, "ok") for one in calls)]
    rows, written = terminal(told(*events, *spoken("Done."), step(text="Done.", number=2), DONE))
    text = "\n".join(rows)
    for one in calls:
        assert len(re.findall(rf"files__fs_list path={one.arguments['path']}  ok", text)) == 1
    assert "…" not in text, "no row of the live region is left"
    assert "reading" in written, "... though it was there"
    assert "· 2 steps · 80 tokens in (75% from cache), 10 out" in text


def test_the_live_region_is_bounded() -> None:
    screen = Screen(live=True)
    for recorded in told(HELLO, step(*(call(f"c{number}") for number in range(30)))):
        screen.feed(recorded)
    rows = screen.live_rows(NOON)
    assert len(rows) == LIVE_ROWS
    assert rows[-1] == "  … and 23 more calls"


def test_a_running_call_shows_its_seconds_and_its_progress() -> None:
    screen = Screen(live=True)
    for recorded in told(step(LIST), started(LIST)):
        screen.feed(recorded)
    assert screen.live_rows(NOON + timedelta(seconds=6)) == ["● files__fs_list path=.  …running 4.0s"]
    screen.feed(told(ToolProgress(call_id="a", done=3, text="pages"))[0])
    assert screen.live_rows(NOON + timedelta(seconds=72)) == ["● files__fs_list path=.  …3 pages 1m 10s"]


def test_waiting_for_the_model_is_shown_until_its_first_word() -> None:
    screen = Screen(live=True)
    screen.feed(told(HELLO)[0])
    assert screen.live_rows(NOON + timedelta(seconds=4)) == ["… waiting for the model 3.0s"]
    assert screen.live_rows(NOON + timedelta(days=1)) == ["…"]
    screen.feed(told(HELLO, *spoken("Now", 3))[1])
    assert screen.live_rows(NOON + timedelta(seconds=9)) == []


def test_what_happens_while_the_user_is_asked_is_shown_afterwards() -> None:
    out, screen = io.StringIO(), Screen()
    writer = Writer(out)
    with writer.held():
        writer.prompt("allow? ")
        for recorded in told(TextDelta(text="meanwhile")):
            writer.write(screen.feed(recorded))
        assert out.getvalue() == "allow? "
    assert out.getvalue().endswith("meanwhile")
