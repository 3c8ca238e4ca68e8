"""The toolbox through real servers in real processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from orchestrator.events import ToolProgress
from orchestrator.messages import Call, Image, text_of
from orchestrator.tools.toolbox import open_toolbox
from tests.orchestrator.tools.boxes import ENV, bare, gone, opened, result_of, said_by, status_of, suite, until
from tests.orchestrator.tools.desks import QuietDesk

pytestmark = pytest.mark.anyio


def content_of(note: Path) -> str:
    return note.read_text() if note.exists() else ""


async def test_tools_are_sorted_and_calls_come_back_with_their_own_id(tmp_path: Path) -> None:
    async with opened(tmp_path, suite=suite(), other=bare()) as box:
        names = [tool.name for tool in box.tools()]
        assert names == sorted(names)
        assert {"suite__add", "other__echo"} <= set(names)
        result = await box.call(Call(id="c7", tool="suite__add", arguments={"a": 2, "b": 3}), QuietDesk())
        assert (result.call_id, text_of(result.content), result.is_error) == ("c7", "5", False)
        add = next(tool for tool in box.tools() if tool.name == "suite__add")
        assert (add.server, add.original, add.read_only, add.destructive) == ("suite", "add", True, False)
        assert [(one.name, one.state) for one in box.servers()] == [("suite", "ready"), ("other", "ready")]
        assert status_of(box, "suite").protocol == "2026-07-28 (modern)"
        assert status_of(box, "other").protocol == "2025-06-18 (legacy)"


async def test_wrong_arguments_name_the_field_and_nothing_is_called(tmp_path: Path) -> None:
    async with opened(tmp_path, bare=bare()) as box:
        result = await result_of(box, "bare__echo", text=2)
        assert result.is_error
        said = text_of(result.content)
        assert "nothing was called" in said
        assert "text: 2 is not of type 'string'" in said


async def test_an_unknown_tool_names_the_nearest_and_the_state_of_its_server(tmp_path: Path) -> None:
    async with opened(tmp_path, bare=bare(), broken=bare("dies")) as box:
        assert "The nearest are: bare__echo" in await said_by(box, "bare__eco")
        result = await result_of(box, "broken__anything")
        assert result.is_error
        assert "broken is failed" in text_of(result.content)
        assert "exit code 3" in text_of(result.content)


async def test_content_is_bounded_and_pictures_stay_pictures(tmp_path: Path) -> None:
    async with opened(tmp_path, bare=bare()) as box:
        said = await said_by(box, "bare__huge")
        assert said.startswith("start xxx")
        assert said.endswith("xxx end")
        assert len(said) < 2_300
        assert "98,010 of 100,010 characters were left out here" in said
        shown = await result_of(box, "bare__picture")
        assert [block.type for block in shown.content] == ["text", "image"]
        assert isinstance(shown.content[1], Image)


async def test_a_server_gets_only_harmless_variables_and_its_own(tmp_path: Path) -> None:
    async with opened(tmp_path, bare=bare(env={"OWN_KEY": "1"})) as box:
        said = await said_by(box, "bare__variables")
    assert "OWN_KEY" in said
    assert "SECRET_OF_THE_HOST" not in said


async def test_tools_are_known_at_once_from_last_time_and_a_call_waits_for_its_server(tmp_path: Path) -> None:
    slow = bare("starts-slowly", "0.5")
    async with opened(tmp_path, slow=slow) as box:
        first = box.tools()
        await until(lambda: list((tmp_path / "manifests").glob("*.json")))
    async with open_toolbox({"slow": slow}, env=ENV, state_dir=tmp_path) as box:
        assert box.tools() == first
        assert [tool.model_dump_json() for tool in box.tools()] == [tool.model_dump_json() for tool in first]
        assert status_of(box, "slow").state == "starting"
        assert await said_by(box, "slow__echo", text="here") == "here"
        assert status_of(box, "slow").state == "ready"


async def test_a_sleeping_server_is_waited_for_for_a_while_or_not_at_all_if_it_is_known(tmp_path: Path) -> None:
    known, new = bare("starts-slowly", "0.5"), bare("starts-slowly", "600")
    async with opened(tmp_path, known=known):
        await until(lambda: list((tmp_path / "manifests").glob("*.json")))
    async with open_toolbox({"known": known}, env=ENV, state_dir=tmp_path) as box:
        await box.known(600)
        assert status_of(box, "known").state == "starting", "nobody waited for it"
    async with open_toolbox({"new": new}, env=ENV, state_dir=tmp_path) as box:
        with anyio.fail_after(30):
            await box.known(0.2)
        assert status_of(box, "new").state == "starting"


async def test_all_pages_of_a_list_are_read(tmp_path: Path) -> None:
    async with opened(tmp_path, many=bare("pages")) as box:
        assert [tool.original for tool in box.tools()] == [f"page{number}" for number in range(6)]


async def test_a_disabled_server_is_no_process_and_no_tools(tmp_path: Path) -> None:
    async with opened(tmp_path, off=bare(disabled=True)) as box:
        assert box.tools() == ()
        assert (status_of(box, "off").state, status_of(box, "off").problem) == ("stopped", "")


async def test_progress_reaches_the_desk(tmp_path: Path) -> None:
    desk = QuietDesk()
    async with opened(tmp_path, suite=suite()) as box:
        assert await said_by(box, "suite__steps", desk, count=3) == "done"
    steps = [event for event in desk.events if isinstance(event, ToolProgress)]
    assert [(one.call_id, one.done, one.total, one.text) for one in steps][-1] == ("call", 3, 3, "step 3")


async def test_new_tools_are_offered_when_the_server_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path, suite=suite()) as box:
        assert await said_by(box, "suite__grow", name="branch") == "grown"
        await until(lambda: "suite__branch" in {tool.name for tool in box.tools()})
        assert await said_by(box, "suite__branch") == "branch"


async def test_a_call_that_takes_too_long_is_cancelled_at_the_server_too(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with opened(tmp_path, suite=suite(call_timeout=2)) as box:
        result = await result_of(box, "suite__sleep", seconds=60, note=str(note))
        assert result.is_error
        assert "within 2 seconds" in text_of(result.content)
        await until(lambda: content_of(note) == "cancelled")
        assert await said_by(box, "suite__add", a=1) == "2"


async def test_cancelling_a_call_raises_and_tells_the_server(tmp_path: Path) -> None:
    note = tmp_path / "note"
    async with opened(tmp_path, suite=suite()) as box:
        async with anyio.create_task_group() as calls:
            sleep = Call(id="1", tool="suite__sleep", arguments={"seconds": 60, "note": str(note)})
            calls.start_soon(box.call, sleep, QuietDesk())
            await until(lambda: content_of(note) == "asleep")
            calls.cancel_scope.cancel()
        assert calls.cancel_scope.cancelled_caught
        await until(lambda: content_of(note) == "cancelled")


async def test_a_server_that_hangs_is_replaced_after_a_call_without_an_answer(tmp_path: Path) -> None:
    async with opened(tmp_path, suite=suite(call_timeout=2)) as box:
        before = int(await said_by(box, "suite__pid"))
        assert "no answer" in await said_by(box, "suite__hang")
        await gone([before])
        assert int(await said_by(box, "suite__pid")) != before


async def test_a_server_that_dies_in_a_call_fails_it_at_once_and_takes_the_next_one(tmp_path: Path) -> None:
    async with opened(tmp_path, bare=bare()) as box:
        result = await result_of(box, "bare__die")
        assert result.is_error
        assert text_of(result.content).startswith("outcome unknown: bare was lost while it ran 'die'")
        assert await said_by(box, "bare__echo", text="back") == "back"


async def test_a_killed_server_fails_all_its_calls_and_comes_back(tmp_path: Path) -> None:
    said: list[str] = []
    async with opened(tmp_path, suite=suite()) as box:
        victim = int(await said_by(box, "suite__pid"))

        async def sleeper(note: Path) -> None:
            said.append(await said_by(box, "suite__sleep", seconds=60, note=str(note)))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as sleepers:
                for number in range(3):
                    sleepers.start_soon(sleeper, tmp_path / str(number))
                await until(lambda: all((tmp_path / str(number)).exists() for number in range(3)))
                os.kill(victim, signal.SIGKILL)
        assert [one.partition(":")[0] for one in said] == ["outcome unknown"] * 3
        assert int(await said_by(box, "suite__pid")) != victim


async def test_only_what_may_be_repeated_is_repeated_when_the_server_dies(tmp_path: Path) -> None:
    async with opened(tmp_path, suite=suite()) as box:
        assert await said_by(box, "suite__die_once", note=str(tmp_path / "died")) == "alive"


async def test_a_refusal_by_the_protocol_is_a_result(tmp_path: Path) -> None:
    async with opened(tmp_path, old=bare()) as box:
        result = await result_of(box, "old__refuse")
        assert result.is_error
        assert text_of(result.content) == "old refused the call: not on a Sunday (code -32099)"


async def test_an_answer_that_is_not_one_is_a_result_too(tmp_path: Path) -> None:
    async with opened(tmp_path, old=bare()) as box:
        result = await result_of(box, "old__odd")
        assert result.is_error
        assert text_of(result.content).startswith("old gave an answer that breaks its own rules")
        assert await said_by(box, "old__echo", text="on") == "on"


async def test_a_server_cannot_flood_the_window_with_tools(tmp_path: Path) -> None:
    async with opened(tmp_path, many=bare("thousands")) as box:
        assert len(box.tools()) == 1_000
        assert box.quarantined() == {"many__(500 more)": "a server can offer 1,000 tools at most"}


async def test_a_server_that_exits_at_the_first_new_word_is_spoken_to_in_the_old_way(tmp_path: Path) -> None:
    old = bare("dies-on-probe")
    async with opened(tmp_path, old=old) as box:
        assert await said_by(box, "old__echo", text="hello") == "hello"
        assert status_of(box, "old").protocol.endswith("(legacy)")
    async with opened(tmp_path, old=old) as box:
        assert await said_by(box, "old__echo", text="again") == "again"


async def test_other_text_on_the_standard_output_does_no_harm(tmp_path: Path) -> None:
    async with opened(tmp_path, chatty=bare("chatty")) as box:
        assert await said_by(box, "chatty__echo", text="hello") == "hello"


async def test_many_calls_run_at_the_same_time_but_not_more_than_allowed(tmp_path: Path) -> None:
    async with open_toolbox({"suite": suite()}, env=ENV, state_dir=tmp_path, max_parallel=2) as box:
        await box.settled(30)
        done: list[str] = []

        async def meeter(name: str, others: list[str], patience: float = 20) -> None:
            words: dict[str, Any] = {"name": name, "others": others, "patience": patience}
            done.append(await said_by(box, "suite__meet", folder=str(tmp_path), **words))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as both:
                both.start_soon(meeter, "a", ["b"])
                both.start_soon(meeter, "b", ["a"])
            assert done == ["met", "met"]
            async with anyio.create_task_group() as three:
                for name in "cde":
                    three.start_soon(meeter, name, [other for other in "cde" if other != name], 1)
    assert len(done) == 5
    assert done[2] == "alone", "one of them was let in only when another had waited in vain"


async def test_an_error_in_the_body_comes_out_as_it_is_and_no_process_stays(tmp_path: Path) -> None:
    pids: list[int] = []

    async def body() -> None:
        async with opened(tmp_path, bare=bare()) as box:
            pids.extend(int(pid) for pid in (await said_by(box, "bare__orphan")).split())
            raise LookupError("mine")

    with pytest.raises(LookupError, match=r"^mine$"):
        await body()
    assert len(pids) == 3
    await gone(pids)
