"""What `replay` understands, and what it shows."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli.differing import differences
from orchestrator.cli.main import program
from orchestrator.cli.options import Options
from orchestrator.cli.replaying import Wish, compared_rows, difference_rows, play, server_of
from orchestrator.errors import ConfigError, NotFound, UsageError
from orchestrator.events import TurnFinished
from orchestrator.messages import Call, Image, Result, Text, failed
from orchestrator.replaying.strict import Difference
from orchestrator.replaying.swapping import Compared

CALL = Call(id="a", tool="notes__read", arguments={"name": "tea"})


def test_a_server_to_swap_is_a_command_an_address_or_the_one_of_a_config(tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    file.write_text(json.dumps({"mcpServers": {"tea": {"command": "brew", "disabled": True}}}))
    name, config = server_of(Options(), "tea=brew --kind 'green tea'")
    assert (name, config.command, config.args) == ("tea", "brew", ("--kind", "green tea"))
    assert server_of(Options(), "tea=http://127.0.0.1:1/mcp?a=b")[1].url == "http://127.0.0.1:1/mcp?a=b"
    for text, options in ((f"tea={file}", Options()), ("tea", Options(config=file))):
        _, config = server_of(options, text)
        assert (config.command, config.disabled) == ("brew", False)
    with pytest.raises(NotFound, match="no server 'oven'"):
        server_of(Options(), f"oven={file}")
    with pytest.raises(UsageError, match="cannot be read"):
        server_of(Options(), "tea=brew 'green")
    with pytest.raises(ConfigError):
        server_of(Options(config=tmp_path / "missing.json"), "tea")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', "\ud800", '{"a":' * 5_000])
def test_a_file_that_is_no_cassette_is_said_to_be_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "some.json"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"some\.json"):
        play(Options(), str(file), Wish())


def test_a_cassette_whose_events_are_none_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "some.json"
    for events in ([{"seq": 1}], [1], {}, None, [{"seq": 1, "turn_id": "t", "at": "2026-01-01", "event": {}}]):
        file.write_text(json.dumps({"format": "orchestrator-conversation/1", "id": "c", "events": events}))
        if events == {}:
            assert play(Options(), str(file), Wish()) == 0, "nothing replays as nothing"
            continue
        with pytest.raises(UsageError, match="is no cassette"):
            play(Options(), str(file), Wish())


def test_the_commands_of_the_page_are_commands() -> None:
    page = (Path(__file__).parents[3] / "docs" / "replay.md").read_text(encoding="utf-8")
    lines = re.findall(r"^(?:\$ )?orchestrator (replay .*?)(?:\s+#.*)?$", page, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        _, *words = shlex.split(line)
        assert program.commands["replay"].make_context("replay", words).params["name"]


def test_only_one_thing_is_done_at_a_time() -> None:
    done = CliRunner().invoke(program, ["replay", "last", "--strict", "--model", "x"])
    assert done.exit_code == 2
    assert "exclude one another" in done.output


def test_differences_show_the_lines_that_differ_and_where_long_ones_do() -> None:
    assert differences("a\nb\nc", "a\nB\nc") == ["- b", "+ B"]
    assert differences("a\nb", "a") == ["- b"]
    assert differences("same", "same") == []
    assert differences('{"a":1,"b":[1,2]}', '{"a":1,"b":[1,3]}') == ["-   2", "+   3"]
    old, new = differences("x" * 900 + "old", "x" * 900 + "new")
    assert (old, new) == (f"- …{'x' * 40}old", f"+ …{'x' * 40}new")
    assert len(differences("\n".join("abcdefghijklmnopqrst"), "")) == 13
    assert "\x1b" not in "".join(differences("\x1b[31mred", "blue"))
    deep = differences("\n" * 3_000 + "a", "\n" * 3_000 + "b")
    assert len(deep) == 2, "beyond what is compared line by line it is still said that they differ"


def test_a_result_that_failed_or_has_pictures_is_told_from_one_that_has_not() -> None:
    fine = Result(call_id="a", content=(Text(text="out of tea"),))
    rows = compared_rows(Compared(1, CALL, fine, failed("a", "out of tea")))
    assert rows == ["≠ notes__read name=tea", "    + failed:"]
    seen = fine.model_copy(update={"content": (*fine.content, Image(media_type="image/png", data="AAAA"))})
    assert compared_rows(Compared(1, CALL, fine, seen))[1:] == ["    + (image/png, 4 characters)"]
    assert compared_rows(Compared(1, CALL, fine, fine)) == ["= notes__read name=tea"]
    assert "    - (no result was recorded)" in compared_rows(Compared(1, CALL, None, fine))


def test_an_event_that_did_not_come_is_shown_as_nothing() -> None:
    rows = difference_rows(Difference(7, None, TurnFinished(reason="done"), "the turn has ended"))
    assert rows[0] == "✗ Event 7 is not as it was recorded: the turn has ended."
    assert rows[1] == "  recorded: nothing"
    assert '"reason":"done"' in rows[2]
