"""The calls of then, made again to servers of now."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from orchestrator.messages import Call, text_of
from orchestrator.models.scripted import asks, says
from orchestrator.ports import Desk
from orchestrator.replaying.swapping import Compared, swapped
from orchestrator.tools.scripted import ScriptedToolbox, ToolFailed, offered
from tests.orchestrator.playing import call
from tests.orchestrator.replay.people import lived, yes
from tests.orchestrator.replay.tapes import TurnPlan, taped

pytestmark = pytest.mark.anyio
SCRIPT = (
    asks([call("a", name="one"), call("b", "notes__read", name="two")]),
    asks([call("c", "pots__read", name="three"), call("d", name="four"), call("e", "notes__lost")]),
    says("Done."),
)


class Shop:
    """Servers of now; `made` are the calls that reached them."""

    def __init__(self, said: str = "write done") -> None:
        self.made: list[dict[str, JsonValue]] = []
        self.said = said
        tools = ["notes__write", "notes__read", "notes__brew", "pots__read"]
        self.toolbox = ScriptedToolbox([(offered(name), self.work) for name in tools])

    async def work(self, arguments: dict[str, JsonValue], desk: Desk) -> str:
        self.made.append(arguments)
        if self.said == "":
            raise ToolFailed("out of order")
        return "read done" if arguments.get("name") == "two" else self.said


async def compared(shop: Shop, *servers: str) -> list[Compared]:
    cassette = await taped(TurnPlan(SCRIPT, refuse=frozenset({"d"})))
    return [one async for one in swapped(cassette, servers, shop.toolbox)]


async def test_calls_of_the_server_that_ran_then_are_made_again_in_their_order() -> None:
    shop = Shop()
    found = await compared(shop, "notes")
    assert [(one.call.id, one.changed) for one in found] == [("a", False), ("b", False)]
    assert shop.made == [{"name": "one"}, {"name": "two"}], "neither the one denied, nor one of another server"


async def test_a_result_that_is_another_now_is_found() -> None:
    found = await compared(Shop("written"), "notes")
    assert [one.changed for one in found] == [True, False]
    assert [text_of(one.now.content) for one in found] == ["written", "read done"]


async def test_a_call_that_fails_now_is_a_change_even_with_the_same_words() -> None:
    assert [one.changed for one in await compared(Shop(""), "notes")] == [True, True]


async def test_a_server_without_calls_gives_nothing() -> None:
    assert await compared(Shop(), "oven") == []


async def test_arguments_that_the_user_changed_are_those_that_are_called() -> None:
    cassette = await lived([asks([call("a", name="one")]), says("Ok.")], {"a": yes("a", name="changed")})
    shop = Shop("wrote {'name': 'changed'}")
    found = [one async for one in swapped(cassette, ["notes"], shop.toolbox)]
    assert shop.made == [{"name": "changed"}]
    assert [one.changed for one in found] == [False], "the word to the model about the change is not the server's"


async def test_what_the_server_asks_is_answered_as_it_was() -> None:
    brewed: Call = call("a", "notes__brew", name="x")
    cassette = await lived([asks([brewed]), says("Ok.")], {"a": yes("a")})
    shop = Shop()

    async def brew(arguments: dict[str, JsonValue], desk: Desk) -> str:
        from orchestrator.events import QuestionAsked

        known = await desk.ask(QuestionAsked(question_id="new", server="notes", text="Which?"))
        other = await desk.ask(QuestionAsked(question_id="newer", server="notes", text="How hot?"))
        return f"{known.action} {known.values} {other.action}"

    shop.toolbox = ScriptedToolbox([(offered("notes__brew"), brew)])
    found = [one async for one in swapped(cassette, ["notes"], shop.toolbox)]
    assert text_of(found[0].now.content) == "accept {'kind': 'assam'} cancel"
