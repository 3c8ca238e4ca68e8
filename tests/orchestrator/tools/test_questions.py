"""Servers ask the user in the middle of a call, in both eras, for as long as it takes."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from orchestrator.events import QuestionAnswered, QuestionAsked
from orchestrator.tools.toolbox import open_toolbox
from tests.orchestrator.tools.boxes import ENV, bare, opened, result_of, said_by, suite
from tests.orchestrator.tools.desks import AnsweringDesk, QuietDesk

pytestmark = pytest.mark.anyio


async def test_a_question_reaches_the_desk_and_its_answer_the_server(tmp_path: Path) -> None:
    desk = AnsweringDesk({"sure": True})
    async with opened(tmp_path, suite=suite()) as box:
        assert await said_by(box, "suite__drop", desk, table="orders") == "dropped orders"
        assert (await result_of(box, "suite__drop", QuietDesk(), table="orders")).is_error
        assert (await result_of(box, "suite__drop", AnsweringDesk({}, action="cancel"), table="orders")).is_error
    (question,) = desk.questions
    assert (question.server, question.text, question.url) == ("suite", "Drop orders?", "")
    assert question.fields["properties"] == {"sure": {"title": "Sure", "type": "boolean"}}


async def test_a_server_of_the_old_era_is_answered_too(tmp_path: Path) -> None:
    async with opened(tmp_path, old=bare()) as box:
        answer = json.loads(await said_by(box, "old__ask", AnsweringDesk({"colour": "red"})))
        assert (answer["action"], answer["content"]) == ("accept", {"colour": "red"})
        assert json.loads(await said_by(box, "old__ask", QuietDesk()))["action"] == "decline"


async def test_the_time_that_a_human_takes_is_not_the_servers(tmp_path: Path) -> None:
    async with opened(tmp_path, suite=suite(call_timeout=2), old=bare(call_timeout=2)) as box:
        slow = AnsweringDesk({"sure": True, "colour": "red"}, seconds=2.5)
        assert await said_by(box, "suite__drop", slow, table="orders") == "dropped orders"
        assert json.loads(await said_by(box, "old__ask", slow))["action"] == "accept"


async def test_an_answer_that_does_not_fit_is_asked_again_with_the_reason(tmp_path: Path) -> None:
    desk = AnsweringDesk({"name": "x"})
    async with opened(tmp_path, suite=suite()) as box:
        assert (await result_of(box, "suite__greet", desk)).is_error
    assert len(desk.questions) == 3
    assert "name: 'x' is too short" in desk.questions[1].text


async def test_a_question_of_the_old_era_never_reaches_the_wrong_one_of_two_people(tmp_path: Path) -> None:
    first, second = AnsweringDesk({"colour": "red"}), AnsweringDesk({"colour": "blue"})
    async with opened(tmp_path, old=bare()) as box, anyio.create_task_group() as both:
        both.start_soon(said_by, box, "old__mute", first)
        await anyio.lowlevel.checkpoint()
        assert "cannot tell whose call" in await said_by(box, "old__ask", second)
        both.cancel_scope.cancel()
    assert first.questions == second.questions == []


async def test_whoever_waits_for_a_human_lets_other_calls_run(tmp_path: Path) -> None:
    asked, answer = anyio.Event(), anyio.Event()

    class Waiting(QuietDesk):
        async def ask(self, question: QuestionAsked) -> QuestionAnswered:
            asked.set()
            await answer.wait()
            return QuestionAnswered(question_id=question.question_id, action="accept", values={"sure": True})

    said: list[str] = []
    async with open_toolbox({"suite": suite()}, env=ENV, state_dir=tmp_path, max_parallel=1) as box:
        await box.settled(30)

        async def drop() -> None:
            said.append(await said_by(box, "suite__drop", Waiting(), table="t"))

        with anyio.fail_after(60):
            async with anyio.create_task_group() as calls:
                calls.start_soon(drop)
                await asked.wait()
                said.append(await said_by(box, "suite__add", a=1))
                answer.set()
    assert said == ["2", "dropped t"]
