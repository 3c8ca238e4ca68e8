"""What the toolbox costs, against the bare SDK in one run: `python -m benchmarks.toolbox`; exit code 1 if over budget.

known     tools are known, warm: ten servers, one of which sleeps for 60 s              ≤ 0.5 s in a fresh interpreter
call      p50 of one call through the toolbox, against the bare `mcp.Client`            ≤ 1.15 x
parallel  eight calls of 300 ms at the same time                                        ≤ 0.35 s
host      kill -9 of the host: until its server and two grandchildren are gone          ≤ 2 s
server    kill -9 of a server in the middle of a call: until the call has failed        ≤ 1 s, and the next one works
memory    growth of resident memory over 10,000 calls                                   < 20 MB
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import anyio
from mcp import Client, StdioServerParameters

from orchestrator.config import ServerConfig
from orchestrator.events import DurableEvent, LiveEvent, QuestionAnswered, QuestionAsked
from orchestrator.messages import Call, text_of
from orchestrator.tools.toolbox import ServerToolbox, open_toolbox

HOUSE = Path(__file__).resolve().parent.parent
FIXTURES = HOUSE / "tests" / "orchestrator" / "tools" / "fixtures"
SUITE = ServerConfig(command=sys.executable, args=(str(FIXTURES / "suite.py"),))
ROUNDS, CALLS = 9, 200
KNOWN = """
import sys, time, os, json
began = time.perf_counter()
import anyio
from pathlib import Path
from orchestrator.config import ServerConfig
from orchestrator.tools.toolbox import open_toolbox
async def main():
    servers = {name: ServerConfig.model_validate(one) for name, one in json.loads(sys.argv[1]).items()}
    async with open_toolbox(servers, env=os.environ, state_dir=Path(sys.argv[2])) as box:
        known = len({tool.server for tool in box.tools()})
        print(time.perf_counter() - began, known, flush=True)
        os._exit(0)
anyio.run(main)
"""


class NoDesk:
    """Nobody watches."""

    async def emit(self, event: DurableEvent | LiveEvent) -> None:
        """Do nothing."""

    async def ask(self, question: QuestionAsked) -> QuestionAnswered:
        """Decline."""
        return QuestionAnswered(question_id=question.question_id, action="decline")


def call(tool: str, **arguments: object) -> Call:
    return Call.model_validate({"id": "c", "tool": tool, "arguments": arguments})


@asynccontextmanager
async def ready(folder: Path, **servers: ServerConfig) -> AsyncGenerator[ServerToolbox]:
    async with open_toolbox(servers, env=os.environ, state_dir=folder) as box:
        await box.settled(60)
        yield box


async def known(folder: Path) -> float:
    """Seconds from the start of the imports to all tools; the sleeper's come from a time when it did not sleep."""
    gate = folder / "sleepy"
    code = f"import os, runpy, sys, time; os.path.exists({str(gate)!r}) and time.sleep(60); "
    code += f"sys.argv = ['bare']; runpy.run_path({str(FIXTURES / 'bare.py')!r})"
    servers = {f"s{number}": SUITE.model_copy(update={"env": {f"N{number}": ""}}) for number in range(9)}
    servers["sleeper"] = ServerConfig(command=sys.executable, args=("-S", "-c", code))
    async with ready(folder, **servers):
        pass
    gate.touch()
    described = "{" + ", ".join(f'"{name}": {one.model_dump_json()}' for name, one in servers.items()) + "}"
    took: list[float] = []
    for _ in range(5):
        command = [sys.executable, "-c", KNOWN, described, str(folder)]
        done = await anyio.run_process(command, cwd=HOUSE)
        seconds, servers_known = done.stdout.split()
        assert int(servers_known) == 10, done.stdout
        took.append(float(seconds))
        await anyio.sleep(2)  # what was killed with the interpreter must not be measured
    return median(took)


async def p50(act: Callable[[], Awaitable[object]]) -> float:
    times: list[float] = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await act()
        times.append(time.perf_counter() - began)
    return median(times)


async def one_call(folder: Path) -> tuple[float, float]:
    """Milliseconds through the toolbox and bare, in turns; medians of the rounds."""
    ours: list[float] = []
    bare: list[float] = []
    params = StdioServerParameters(command=sys.executable, args=list(SUITE.args))
    async with ready(folder, suite=SUITE) as box, Client(params) as client:
        await client.list_tools()
        desk, asked = NoDesk(), call("suite__add", a=1, b=2)
        for number in range(ROUNDS):
            sides = [
                (ours, lambda: box.call(asked, desk)),
                (bare, lambda: client.call_tool("add", {"a": 1, "b": 2})),
            ]
            for times, act in sides if number % 2 else reversed(sides):
                times.append(1000 * await p50(act))
        assert text_of((await box.call(asked, desk)).content) == "3"
    return median(ours), median(bare)


async def parallel(folder: Path) -> float:
    took: list[float] = []
    async with ready(folder, suite=SUITE) as box:
        await box.call(call("suite__sleep", seconds=0), NoDesk())
        for _ in range(5):
            began = time.perf_counter()
            async with anyio.create_task_group() as calls:
                for _ in range(8):
                    calls.start_soon(box.call, call("suite__sleep", seconds=0.3), NoDesk())
            took.append(time.perf_counter() - began)
    return median(took)


def there(note: Path) -> bool:
    return note.exists()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def killed_host(folder: Path) -> float:
    """Worst of five; the server stays when its input closes, and one grandchild has a session of its own."""
    worst = 0.0
    for _ in range(5):
        command = [sys.executable, str(FIXTURES / "host.py"), str(folder)]
        env = {**os.environ, "PYTHONPATH": str(HOUSE)}
        with subprocess.Popen(command, cwd=HOUSE, env=env, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            pids = [int(pid) for pid in host.stdout.readline().split()]
            assert len(pids) == 3
            began = time.perf_counter()
            host.send_signal(signal.SIGKILL)
            while any(map(alive, pids)):
                assert time.perf_counter() - began < 10, "they live on"
                time.sleep(0.005)
            worst = max(worst, time.perf_counter() - began)
    return worst


async def killed_server(folder: Path) -> tuple[float, float]:
    """Worst of five: until the call has failed, and until the next one is answered."""
    failed, answered = 0.0, 0.0
    async with ready(folder, suite=SUITE) as box:
        for number in range(5):
            note = folder / f"asleep{number}"
            pid = int(text_of((await box.call(call("suite__pid"), NoDesk())).content))
            began = 0.0

            async def kill(note: Path = note, pid: int = pid) -> None:
                nonlocal began
                while not there(note):  # noqa: ASYNC110  another process writes it
                    await anyio.sleep(0.005)
                began = time.perf_counter()
                os.kill(pid, signal.SIGKILL)

            async with anyio.create_task_group() as killing:
                killing.start_soon(kill)
                result = await box.call(call("suite__sleep", seconds=60, note=str(note)), NoDesk())
                failed = max(failed, time.perf_counter() - began)
                assert result.is_error
            assert text_of((await box.call(call("suite__add", a=1), NoDesk())).content) == "2"
            answered = max(answered, time.perf_counter() - began)
    return failed, answered


async def memory(folder: Path, count: int = 10_000) -> float:
    """Megabytes."""
    async with ready(folder, suite=SUITE) as box:
        for _ in range(500):
            await box.call(call("suite__add", a=1), NoDesk())
        before = resident()
        for number in range(count):
            await box.call(call("suite__echo", text=f"{number} " + "x" * 200), NoDesk())
        return resident() - before


def made(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def resident() -> float:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def main() -> int:
    rows: list[tuple[str, str, bool]] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        seconds = await known(made(folder, "known"))
        rows.append(("tools known, warm, 10 servers, one sleeps", f"{seconds:.3f} s (≤ 0.5)", seconds <= 0.5))
        ours, bare = await one_call(made(folder, "call"))
        ratio = f"{ours:.3f} ms, bare {bare:.3f} ms: {ours / bare:.2f} x (≤ 1.15)"
        rows.append(("one call", ratio, ours <= 1.15 * bare))
        seconds = await parallel(made(folder, "parallel"))
        rows.append(("8 parallel calls of 300 ms", f"{seconds:.3f} s (≤ 0.35)", seconds <= 0.35))
        seconds = killed_host(made(folder, "host"))
        rows.append(("kill -9 of the host, until all are gone", f"{seconds:.3f} s (≤ 2)", seconds <= 2))
        failed, answered = await killed_server(made(folder, "server"))
        rows.append(("kill -9 of a server, until the call failed", f"{failed:.3f} s (≤ 1)", failed <= 1))
        rows.append(("    and until the next call was answered", f"{answered:.3f} s", True))
        grown = await memory(made(folder, "memory"))
        rows.append(("10,000 calls", f"{grown:.1f} MB (< 20)", grown < 20))
    for name, figure, good in rows:
        print(f"{'ok  ' if good else 'OVER'} {name:45} {figure}")
    return 0 if all(good for _, _, good in rows) else 1


if __name__ == "__main__":
    sys.exit(anyio.run(main))
