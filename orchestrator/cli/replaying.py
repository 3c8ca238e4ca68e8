"""`replay`: a conversation as a regression test: the same again, with another server or model, or as a scenario."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio

from orchestrator.app import App, History
from orchestrator.cli.cleaning import one_line
from orchestrator.cli.differing import differences
from orchestrator.cli.greeting import SIMULATED
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.looking import data_folder, looked_up
from orchestrator.cli.opening import configured, run
from orchestrator.cli.options import Options
from orchestrator.cli.rows import arguments_row, plural
from orchestrator.config import Config, ServerConfig, load
from orchestrator.errors import NotFound, ServerMissing, UsageError
from orchestrator.events import EVENT, DurableEvent, LiveEvent
from orchestrator.exporting import as_json
from orchestrator.messages import Call, Image, Result, text_of
from orchestrator.replaying.asking import Asked, Told, asked_again
from orchestrator.replaying.cassette import Cassette, read, recorded
from orchestrator.replaying.strict import Difference, replay
from orchestrator.replaying.swapping import Compared, swapped
from orchestrator.tools.toolbox import open_toolbox

SAME, CHANGED = 0, 1


@dataclass(frozen=True)
class Wish:
    """What shall be done with the conversation; nothing of it is: play it strictly."""

    swaps: tuple[str, ...] = ()
    model: str = ""
    record: Path | None = None
    save: Path | None = None


def play(options: Options, name: str, wish: Wish) -> int:
    """Replay the conversation and return 0 if nothing changed, 1 if something did."""
    cassette = found(options, name)
    if wish.swaps:
        return swap(options, cassette, wish.swaps)
    if wish.model:
        work = partial(_ask_again, cassette=cassette, model=wish.model)
        return run(work, replace(options, model=""), interactive=attended())
    if wish.record:
        return record(cassette, wish.record)
    if wish.save:
        written(wish.save, as_json(cassette.events))
        write([f"Written: {wish.save} ({size(cassette)})."])
        return SAME
    return strictly(cassette)


def found(options: Options, name: str) -> Cassette:
    """Return the conversation that an id, `last` or a cassette file means. Raises `NotFound`, `UsageError`."""
    if name.endswith(".json"):
        try:
            return read(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, UnicodeDecodeError) as failure:
            raise UsageError(f"{name} cannot be read: {failure}.", "Name a conversation or a cassette file.") from None

    async def kept(past: History) -> Cassette:
        head = await past.conversations.find(name)
        return recorded(head.id, await past.conversations.events(head.id))

    return looked_up(options, kept)


def strictly(cassette: Cassette) -> int:
    """Play the cassette through the real loop and say whether the same journal came out."""
    difference = anyio.run(replay, cassette)
    if difference is None:
        write([f"✓ The same to the byte: {size(cassette)}."])
        return SAME
    write(difference_rows(difference))
    return CHANGED


def swap(options: Options, cassette: Cassette, swaps: Sequence[str]) -> int:
    """Make the calls of some servers again and say which results changed."""
    servers = dict(server_of(options, one) for one in swaps)
    folder = data_folder(options) / "servers"
    return anyio.run(_swap, cassette, servers, folder)


async def _swap(cassette: Cassette, servers: dict[str, ServerConfig], folder: Path) -> int:
    made = changed = 0
    async with open_toolbox(servers, env=os.environ, state_dir=folder) as toolbox:
        await toolbox.settled(max(config.connect_timeout for config in servers.values()) + 1)
        for status in toolbox.servers():
            if status.state != "ready":
                raise ServerMissing(f"Server {status.name} cannot be asked: it is {status.state}.", status.problem)
        async for one in swapped(cassette, servers, toolbox):
            made, changed = made + 1, changed + one.changed
            write(compared_rows(one))
    if not made:
        known = sorted({one.call.tool.partition("__")[0] for one in cassette.calls if one.started})
        there = f"It has calls to: {', '.join(known)}." if known else "It has no calls at all."
        raise UsageError(f"The conversation has no call to {' or '.join(servers)}.", there)
    write([f"{made} call{plural(made)} made again: {made - changed} as then, {changed} changed."])
    return CHANGED if changed else SAME


def server_of(options: Options, text: str) -> tuple[str, ServerConfig]:
    """Return the server that `NAME=COMMAND`, `NAME=URL`, `NAME=config.json` or `NAME` (as configured here) means."""
    name, _, where = text.partition("=")
    if not where.strip():
        return name, chosen(configured(options, interactive=attended()), name)
    if Path(where).suffix == ".json" and Path(where).is_file():
        return name, chosen(load(Path(where), cwd=Path.cwd(), env=os.environ), name)
    if where.startswith(("http://", "https://")):
        return name, ServerConfig(url=where)
    try:
        command, *args = shlex.split(where)
    except ValueError as wrong:
        raise UsageError(f"--swap {text}: the command cannot be read: {wrong}.", "Quote it as for a shell.") from None
    return name, ServerConfig(command=command, args=tuple(args))


def chosen(config: Config, name: str) -> ServerConfig:
    """Return the server with this name. Raises `NotFound`."""
    if name not in config.mcp_servers:
        raise NotFound(f"{config.source} has no server {name!r}.", f"It has: {', '.join(config.mcp_servers)}.")
    return config.mcp_servers[name].model_copy(update={"disabled": False})


async def _ask_again(app: App, _: Interrupts, *, cassette: Cassette, model: str) -> int:
    if app.simulated:
        write([SIMULATED])
    await app.toolbox.settled(app.config.limits.start_seconds)
    code = SAME
    async for one in asked_again(cassette, model, app.crew, app.toolbox.tools):
        write(asked_rows(one))
        failed = one.now.ended is not None and one.now.ended.reason == "failed"
        code = max(code, 3 if failed else CHANGED if one.changed else SAME)
    return code


def record(cassette: Cassette, file: Path) -> int:
    """Write the model's side of the conversation as a scenario for the simulator."""
    from orchestrator.cli.recording import scenario_of

    text, remarks = scenario_of(cassette)
    written(file, text)
    write([f"Written: {file} ({size(cassette)}).", *(f"! {remark}" for remark in remarks)])
    write([f"Play it: orchestrator simulate --scenario {shlex.quote(str(file))}"])
    return SAME


def difference_rows(difference: Difference) -> list[str]:
    """Return what was expected and what came, where it first differed."""
    why = f": {difference.why}" if difference.why else ""
    rows = [f"✗ Event {difference.seq} is not as it was recorded{why}."]
    then = difference.recorded.event if difference.recorded else None
    if then is None or difference.replayed is None:
        return [*rows, f"  recorded: {event_row(then)}", f"  replayed: {event_row(difference.replayed)}"]
    if then.key != difference.replayed.key:
        rows += [f"  recorded: {event_row(then)}", f"  replayed: {event_row(difference.replayed)}"]
    return [*rows, *(f"    {row}" for row in differences(event_json(then), event_json(difference.replayed)))]


def event_row(event: DurableEvent | LiveEvent | None) -> str:
    """Return an event as one line of JSON."""
    return one_line(event_json(event), 400) if event else "nothing"


def event_json(event: DurableEvent | LiveEvent) -> str:
    """Return an event as the journal holds it."""
    return EVENT.dump_json(event).decode()


def compared_rows(one: Compared) -> list[str]:
    """Return a call that was made again, and what of its result changed."""
    row = f"{'≠' if one.changed else '='} {one_line(one.call.tool)} {arguments_row(one.call.arguments)}".rstrip()
    if not one.changed:
        return [row]
    then = result_text(one.then) if one.then else "(no result was recorded)"
    return [row, *(f"    {line}" for line in differences(then, result_text(one.now)))]


def result_text(result: Result) -> str:
    """Return all of a result as text."""
    pictures = [f"({one.media_type}, {len(one.data):,} characters)" for one in result.content if isinstance(one, Image)]
    return "\n".join([*(["failed:"] if result.is_error else []), text_of(result.content), *pictures])


def asked_rows(one: Asked) -> list[str]:
    """Return a turn that another model was asked, and what it did otherwise."""
    rows = [f"> {one_line(one.question)}"]
    then, now = ("\n".join(map(call_line, told.calls)) for told in (one.then, one.now))
    count = len(one.now.calls)
    rows += [f"= {count} call{plural(count)}, the same"] if then == now else ["≠ calls", *indented(then, now)]
    same = one.then.text == one.now.text
    rows += ["= the same last words"] if same else ["≠ last words", *indented(one.then.text, one.now.text)]
    if one.then.substance[2] != one.now.substance[2]:
        rows += ["≠ end", f"    - {end_row(one.then)}", f"    + {end_row(one.now)}"]
    return rows


def call_line(call: Call) -> str:
    """Return a call as it is compared."""
    return f"{call.tool} {call.model_dump_json(include={'arguments'})}"


def end_row(told: Told) -> str:
    """Return how a turn ended."""
    return one_line(f"{told.ended.reason} {told.ended.detail}".strip(), 300) if told.ended else "open"


def indented(then: str, now: str) -> list[str]:
    """Return the differences, set in."""
    return [f"    {row}" for row in differences(then, now)]


def size(cassette: Cassette) -> str:
    """Return how much there is in a cassette."""
    turns, events, calls = len(cassette.tapes), len(cassette.events), len(cassette.calls)
    return f"{turns} turn{plural(turns)}, {calls} call{plural(calls)}, {events} event{plural(events)}"


def written(file: Path, text: str) -> None:
    """Write a file. Raises `UsageError` if that cannot be."""
    try:
        file.write_text(text, encoding="utf-8", errors="replace")
    except OSError as failure:
        raise UsageError(f"{file} cannot be written: {failure.strerror}.", "Name another file.") from None


def attended() -> bool:
    """Whether a person is there to be asked whether a file is trusted."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def write(rows: Iterable[str]) -> None:
    """Write the rows at once, so that a long replay can be followed."""
    sys.stdout.write("\n".join(rows) + "\n")
    sys.stdout.flush()
