"""A host with a scripted model and a real server, which dies where it is told to: `host.py FOLDER [HOW N]`.

It runs one turn of six steps; each asks for two calls that leave a trace and one that only reads. Started again, it
resumes. HOW is `before` or `after` (die there, at the N-th append), `hang` (the model answers its second request only
when the file `go` is there) or `takeover`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio

from orchestrator import turn
from orchestrator.approvals import HumanDesk, HumanGate
from orchestrator.config import ServerConfig
from orchestrator.context.plan import Choice, ContextSettings, plan
from orchestrator.conversations import Conversations, Started
from orchestrator.engine.lifeline import Lifeline
from orchestrator.engine.local import LocalEngine
from orchestrator.events import DurableEvent, Recorded, TurnFinished
from orchestrator.feed.local import LocalFeed
from orchestrator.journal import Journal
from orchestrator.messages import Answer, Call, Request, Text
from orchestrator.models.scripted import asks, says
from orchestrator.policy.rules import Policy, rules_of
from orchestrator.ports import Emit, TurnRef
from orchestrator.store.sqlite import SqliteStore
from orchestrator.tools.toolbox import open_toolbox

FOLDER = Path(sys.argv[1])
WHEN, COUNT = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else ("never", 0)
STEPS = 6
WORKSHOP = Path(__file__).parent / "workshop.py"


class DyingStore(SqliteStore):
    """Takes events like any store, and kills its process before or after the n-th append."""

    appends = 0

    async def append(self, turn: TurnRef, events: Sequence[DurableEvent]) -> list[Recorded]:
        self.appends += 1
        if WHEN == "before" and self.appends == COUNT:
            os.kill(os.getpid(), signal.SIGKILL)
        recorded = await super().append(turn, events)
        if WHEN == "after" and self.appends == COUNT:
            os.kill(os.getpid(), signal.SIGKILL)
        return recorded


class Script:
    """Says what comes next, by what the history holds; each question leaves a line behind."""

    async def ask(self, request: Request, emit: Emit) -> Answer:
        step = sum(message.role == "assistant" for message in request.messages) + 1
        with (FOLDER / "asked").open("a") as asked:
            asked.write(f"{step}\n")
        while WHEN == "hang" and step == 2 and not (FOLDER / "go").exists():  # noqa: ASYNC110 - a file is the sign
            await anyio.sleep(0.02)
        if step > STEPS:
            return says("All done.")
        notes = [Call(id=f"{name}{step}", tool="workshop__note", arguments={"name": f"{name}{step}"}) for name in "ab"]
        look = Call(id=f"look{step}", tool="workshop__meet", arguments={"people": 1, "name": f"look{step}"})
        return asks([*notes, look])


async def main() -> None:
    """Begin or resume the turn, and say how it ended."""
    store, lifeline = DyingStore(FOLDER / "journal.db"), Lifeline(FOLDER / "running")
    workshop = ServerConfig(command=sys.executable, args=(str(WORKSHOP), str(FOLDER)))
    async with open_toolbox({"workshop": workshop}, env=os.environ, state_dir=FOLDER / "servers") as toolbox:

        def crew(journal: Journal) -> turn.Crew:
            return turn.Crew(
                model=Script(),
                toolbox=toolbox,
                gate=HumanGate(journal, lambda: Policy(rules_of("allow", ["*"])), toolbox),
                desk=HumanDesk(journal),
                plan=lambda conversation, tools: plan(conversation, tools, ContextSettings(Choice("scripted"))),
                start_seconds=60,
            )

        conversations = Conversations(store, LocalFeed(), crew, lifeline.owner, lifeline.alive)
        async with anyio.create_task_group() as tasks:
            conversations.engine = LocalEngine(tasks, conversations.run_turn)
            if started := await begun(conversations):
                async with conversations.watch(started.conversation_id, started.seq) as events:
                    async for recorded in events:
                        if isinstance(recorded.event, TurnFinished):
                            sys.stdout.write(f"ended: {recorded.event.reason} {recorded.event.code}\n")
                            break
            tasks.cancel_scope.cancel()
    await store.close()


async def begun(conversations: Conversations) -> Started | None:
    """Resume what there is, or begin; None if it was all done."""
    heads = await conversations.heads()
    if heads and heads[0].turns:
        return await conversations.resume(heads[0].id, take_over=WHEN == "takeover")
    return await conversations.start_turn([Text(text="Do it all.")], heads[0].id if heads else None)


anyio.run(main)
