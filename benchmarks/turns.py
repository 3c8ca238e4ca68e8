"""What the loop costs: a step against a bare SDK loop, parallel calls, and a thousand turns at once.

python benchmarks/turns.py            all three
python benchmarks/turns.py steps      one of: steps, parallel, thousand
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import anyio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from orchestrator import turn
from orchestrator.approvals import HumanDesk, HumanGate
from orchestrator.context.plan import SYSTEM, Choice, ContextSettings, plan
from orchestrator.conversations import Conversations
from orchestrator.engine.local import LocalEngine
from orchestrator.events import TurnFinished
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Answer, Call, Message, Request, Result, Text
from orchestrator.models import wire
from orchestrator.models.claude import ClaudeModel
from orchestrator.models.endpoints import Endpoint
from orchestrator.models.scripted import asks, says
from orchestrator.policy.rules import Policy, rules_of
from orchestrator.ports import Emit, Model
from orchestrator.store.sqlite import SqliteStore
from orchestrator.tools.scripted import ScriptedToolbox, offered

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

MODEL = "claude-opus-5-5"
ROUNDS, STEPS = 9, 20
CALL = "/call work__note {}"


@asynccontextmanager
async def house(model: Model, toolbox: ScriptedToolbox) -> AsyncGenerator[Conversations]:
    """Everything but the servers: a journal on disk, the loop, the feed."""
    with tempfile.TemporaryDirectory() as folder:
        store, feed = SqliteStore(Path(folder) / "journal.db"), LocalFeed()

        def crew(journal: Journal) -> turn.Crew:
            return turn.Crew(
                model=model,
                toolbox=toolbox,
                gate=HumanGate(journal, lambda: Policy(rules_of("allow", ["*"])), toolbox),
                desk=HumanDesk(journal),
                plan=lambda conversation, tools: plan(conversation, tools, ContextSettings(Choice(MODEL, 1000))),
            )

        conversations = Conversations(store, feed, crew)
        async with anyio.create_task_group() as tasks:
            conversations.engine = LocalEngine(tasks, conversations.run_turn)
            yield conversations
            tasks.cancel_scope.cancel()
        await store.close()


async def one_turn(conversations: Conversations, text: str = "hello") -> None:
    """Start a turn and watch it to its end."""
    started = await conversations.start_turn((Text(text=text),))
    async with conversations.watch(started.conversation_id, started.seq) as events:
        async for recorded in events:
            if isinstance(recorded.event, TurnFinished):
                assert recorded.event.reason == "done", recorded.event
                return


async def steps() -> None:
    """Turns of one step and of two, ours and a bare loop's, in turns, on the same simulator in another process."""
    import anthropic

    line = [sys.executable, "-m", "simulator", "--port", "0"]
    async with await anyio.open_process(line) as process:
        assert process.stdout is not None
        words = (await process.stdout.receive()).decode().split()
        url = next(word for word in words if word.startswith("http")).rstrip(".")
        bare = anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0)
        box = ScriptedToolbox([(offered("work__note"), noted)])
        async with house(ClaudeModel(Endpoint(base_url=url, api_key="k")), box) as conversations:
            sides: dict[str, Callable[[], Awaitable[None]]] = {
                "bare, one step": lambda: bare_turn(bare, box, "hello"),
                "ours, one step": lambda: one_turn(conversations, "hello"),
                "bare, two steps": lambda: bare_turn(bare, box, CALL),
                "ours, two steps": lambda: one_turn(conversations, CALL),
            }
            for act in sides.values():
                await timed(act)
            times: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(ROUNDS):
                for name, act in sides.items():
                    times[name].append(await timed(act) * 1000)
        process.terminate()
    mid = {name: median(found) for name, found in times.items()}
    for name, value in mid.items():
        print(f"a turn of {name:16}   {value:6.2f} ms")
    step = mid["bare, two steps"] - mid["bare, one step"]
    added = mid["ours, two steps"] - mid["ours, one step"] - step
    print(f"added by us to a step with a call {added:6.2f} ms, {added / step:.0%} of a bare step (budget 5 ms, 10 %)")
    print(f"added by us to begin and end a turn {mid['ours, one step'] - mid['bare, one step'] - added:4.2f} ms")


async def bare_turn(sdk: AsyncAnthropic, box: ScriptedToolbox, text: str) -> None:
    """What a loop does that keeps nothing: ask, run the calls, ask again."""
    history = [Message(role="user", content=(Text(text=text),))]
    while True:
        request = Request(model=MODEL, max_tokens=1000, tools=box.tools(), system=SYSTEM, messages=tuple(history))
        async with sdk.beta.messages.stream(**wire.body(request)) as stream:
            async for _ in stream:
                pass
            answer = wire.answer(await stream.get_final_message(), "")
        if answer.stop != "calls":
            return
        results = [
            Result(call_id=call.id, content=(Text(text=await noted({}, None)),)) for call in answer.message.calls
        ]
        history += [answer.message, Message(role="user", content=tuple(results))]


async def noted(arguments: object, desk: object) -> str:
    """A tool that costs nothing."""
    return "noted"


async def timed(act: Callable[[], Awaitable[None]]) -> float:
    """Return the seconds of one of `STEPS` runs, on average."""
    began = time.perf_counter()
    for _ in range(STEPS):
        await act()
    return (time.perf_counter() - began) / STEPS


class Eight:
    """Asks for eight calls, then ends."""

    async def ask(self, request: Request, emit: Emit) -> Answer:
        if len(request.messages) > 1:
            return says("Done.")
        return asks([Call(id=f"c{number}", tool="work__wait", arguments={}) for number in range(8)])


async def parallel() -> None:
    """Eight calls of 300 ms in one message."""

    async def wait(arguments: object, desk: object) -> str:
        await anyio.sleep(0.3)
        return "ok"

    async with house(Eight(), ScriptedToolbox([(offered("work__wait"), wait)])) as conversations:
        await one_turn(conversations)
        times: list[float] = []
        for _ in range(5):
            began = time.perf_counter()
            await one_turn(conversations)
            times.append(time.perf_counter() - began)
    print(f"8 calls of 300 ms at once    {median(times) * 1000:6.0f} ms  (budget 350 ms)")


class Slow:
    """Takes two seconds for an answer; the third is the last."""

    async def ask(self, request: Request, emit: Emit) -> Answer:
        await anyio.sleep(2)
        answered = sum(message.role == "assistant" for message in request.messages)
        if answered == 2:
            return says("Done.")
        return asks([Call(id=f"c{answered}", tool="work__note", arguments={})])


async def thousand() -> None:
    """A thousand turns of three steps of two seconds, in one process, on one journal."""

    async with house(Slow(), ScriptedToolbox([(offered("work__note"), noted)])) as conversations:
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(1000):
                tasks.start_soon(one_turn, conversations)
        seconds = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"1,000 turns of 3 x 2 s       {seconds:6.2f} s   (ideal 6.00, budget 7.50)")
    print(f"  peak resident memory       {memory:6.0f} MB  (budget 250)")


def main() -> None:
    """Run what is named on the command line, or everything."""
    os.environ.pop("ANTHROPIC_BASE_URL", None)
    parts = {"thousand": thousand, "parallel": parallel, "steps": steps}
    for name in sys.argv[1:] or parts:
        anyio.run(parts[name])


if __name__ == "__main__":
    main()
