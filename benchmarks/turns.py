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
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

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
from orchestrator.messages import Answer, Call, Request, Text
from orchestrator.models.claude import ClaudeModel
from orchestrator.models.endpoints import Endpoint
from orchestrator.models.scripted import asks, says
from orchestrator.policy.rules import Policy, rules_of
from orchestrator.ports import Emit, Model
from orchestrator.store.sqlite import SqliteStore
from orchestrator.tools.scripted import ScriptedToolbox, offered

QUESTION = (Text(text="hello"),)
MODEL = "claude-opus-5-5"
ROUNDS, STEPS = 9, 30


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


async def one_turn(conversations: Conversations) -> None:
    """Start a turn and watch it to its end."""
    started = await conversations.start_turn(QUESTION)
    async with conversations.watch(started.conversation_id, started.seq) as events:
        async for recorded in events:
            if isinstance(recorded.event, TurnFinished):
                assert recorded.event.reason == "done", recorded.event
                return


async def steps() -> None:
    """A step of ours and a step of a bare loop, in turns, on the same simulator in another process."""
    import anthropic

    line = [sys.executable, "-m", "simulator", "--port", "0"]
    async with await anyio.open_process(line) as process:
        assert process.stdout is not None
        words = (await process.stdout.receive()).decode().split()
        url = next(word for word in words if word.startswith("http")).rstrip(".")
        bare = anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0)
        ours = ClaudeModel(Endpoint(base_url=url, api_key="k"))

        async def bare_step() -> None:
            async with bare.beta.messages.stream(
                model=MODEL,
                max_tokens=1000,
                system=[{"type": "text", "text": SYSTEM, "cache_control": {"type": "ephemeral"}}],
                cache_control={"type": "ephemeral"},
                messages=[{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
            ) as stream:
                async for _ in stream:
                    pass
                await stream.get_final_message()

        async with house(ours, ScriptedToolbox([])) as conversations:
            for _ in range(20):
                await bare_step()
                await one_turn(conversations)
            times: dict[str, list[float]] = {"bare": [], "ours": []}
            for _ in range(ROUNDS):
                times["bare"].append(await timed(bare_step))
                times["ours"].append(await timed(lambda: one_turn(conversations)))
        process.terminate()
    plain, whole = median(times["bare"]) * 1000, median(times["ours"]) * 1000
    added = whole - plain
    print(f"one step, bare SDK loop      {plain:6.2f} ms")
    print(f"one turn of one step, ours   {whole:6.2f} ms  (added {added:.2f} ms, {added / plain:.0%}; budget 5 ms)")


async def timed(act: object) -> float:
    """Return the seconds of one of `STEPS` runs, on average."""
    began = time.perf_counter()
    for _ in range(STEPS):
        await act()  # type: ignore[operator]
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

    async def note(arguments: object, desk: object) -> str:
        return "noted"

    async with house(Slow(), ScriptedToolbox([(offered("work__note"), note)])) as conversations:
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
