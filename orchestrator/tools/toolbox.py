"""The tools of all configured servers behind one seam: known at once, connected in the background, never in the way."""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path

import anyio
import anyio.to_thread

from orchestrator.config import ServerConfig
from orchestrator.messages import Call, Result, Tool, failed
from orchestrator.ports import Desk, ServerStatus
from orchestrator.tools.connection import Connection
from orchestrator.tools.manifest import Listed, Manifest, Manifests
from orchestrator.tools.names import name_all
from orchestrator.tools.processes import Nursery, nursery
from orchestrator.tools.sessions import Relisted, Session

MAX_RESULT_CHARS = 60_000
MAX_PARALLEL = 8
NEAREST = 5


class ServerToolbox:
    """A `Toolbox` of MCP servers. `open_toolbox` makes one."""

    def __init__(self, connections: Mapping[str, Connection], max_parallel: int) -> None:
        self._connections = connections
        self._places = anyio.Semaphore(max_parallel)
        self._tools: tuple[Tool, ...] = ()
        self._ways: dict[str, tuple[Connection, Listed]] = {}
        self.refresh()

    def tools(self) -> tuple[Tool, ...]:
        """Return the tools that can be offered now, sorted by name; the same tools are the same to the byte."""
        return self._tools

    def servers(self) -> tuple[ServerStatus, ...]:
        """Return how each configured server is doing, in the order of the config."""
        return tuple(connection.status for connection in self._connections.values())

    def quarantined(self) -> Mapping[str, str]:
        """Return the tools that cannot be offered to a model, by their full names, and why."""
        return {
            f"{connection.name}__{tool.original}": tool.problem
            for connection in self._connections.values()
            for tool in connection.tools
            if tool.offered is None
        }

    async def settled(self, seconds: float) -> None:
        """Return as soon as every server is ready or has failed, or after `seconds`."""
        with anyio.move_on_after(seconds):
            for connection in self._connections.values():
                await connection.settled()

    async def known(self, seconds: float) -> None:
        """Return as soon as it is known what every server offers; each had at least `seconds` to say so."""
        for connection in self._connections.values():
            await connection.known(seconds)

    async def call(self, call: Call, desk: Desk) -> Result:
        """Run one call. Every failure is a result; only being cancelled raises."""
        way = self._ways.get(call.tool)
        if way is None:
            return failed(call.id, self._unknown(call.tool))
        connection, tool = way
        return await connection.call(call, tool, desk, self._places)

    def refresh(self) -> None:
        """Name and sort the tools anew, because a server offers others than before."""
        ways = {
            (connection.name, tool.original): (connection, tool)
            for connection in self._connections.values()
            for tool in connection.tools
            if tool.offered is not None
        }
        names = name_all(ways)
        self._ways = {names[pair]: way for pair, way in ways.items()}
        self._tools = tuple(as_tool(name, way.name, tool) for name, (way, tool) in sorted(self._ways.items()))

    def _unknown(self, name: str) -> str:
        """Return what a model reads that asks for a tool that is not there."""
        near = difflib.get_close_matches(name, self._ways, n=NEAREST, cutoff=0.5)
        said = [f"no tool {name!r}, nothing was called."]
        said += [f"The nearest are: {', '.join(near)}."] if near else ["No tool has a name like it."]
        server = self._connections.get(name.partition("__")[0])
        if server is not None and server.status.state != "ready":
            status = server.status
            said.append(f"Its server {status.name} is {status.state}. {status.problem}".rstrip())
        return " ".join(said)


def remembered(servers: Mapping[str, ServerConfig], state_dir: Path) -> dict[str, tuple[Tool, ...]]:
    """Return what each server offered last time, without starting any; a server that is not remembered is left out."""
    manifests = Manifests(state_dir / "manifests")
    known = {name: found for name, one in servers.items() if not one.disabled and (found := manifests.read(one))}
    listed = {
        (name, tool.original): tool for name, one in known.items() for tool in one.tools if tool.offered is not None
    }
    names = name_all(listed)
    return {
        server: tuple(as_tool(names[pair], server, tool) for pair, tool in listed.items() if pair[0] == server)
        for server in known
    }


def as_tool(name: str, server: str, tool: Listed) -> Tool:
    """Return a tool as the model is offered it."""
    return Tool(
        name=name,
        server=server,
        original=tool.original,
        title=tool.title,
        description=tool.description,
        input_schema=tool.offered or {},
        read_only=tool.read_only,
        destructive=tool.destructive,
        idempotent=tool.idempotent,
        open_world=tool.open_world,
    )


@asynccontextmanager
async def dialled(
    name: str,
    config: ServerConfig,
    env: Mapping[str, str],
    processes: Nursery,
    max_result_chars: int,
    remembered: Manifest,
    relisted: Relisted,
) -> AsyncGenerator[Session]:
    """Open a session with a server. Raises `Broken`."""
    # The SDK takes half a second to import, which nobody needs to wait for.
    await anyio.to_thread.run_sync(import_module, "orchestrator.tools.link")
    from orchestrator.tools import link

    async with link.linked(
        link.Target(name, config, env, processes, max_result_chars), remembered, relisted
    ) as session:
        yield session


async def kept(manifests: Manifests, config: ServerConfig, manifest: Manifest) -> None:
    """Write down what a server offers, even when we are being stopped."""
    with anyio.CancelScope(shield=True):
        await anyio.to_thread.run_sync(manifests.write, config, manifest)


@asynccontextmanager
async def open_toolbox(
    servers: Mapping[str, ServerConfig],
    *,
    env: Mapping[str, str],
    state_dir: Path,
    max_result_chars: int = MAX_RESULT_CHARS,
    max_parallel: int = MAX_PARALLEL,
) -> AsyncGenerator[ServerToolbox]:
    """Offer the tools of `servers` at once, as they were last time, and connect in the background.

    `env` is our own environment, of which servers get a few harmless variables. When the context ends, no process that
    was started here is left, nor any that those started.
    """
    manifests = Manifests(state_dir / "manifests")
    connections: dict[str, Connection] = {}
    failure: Exception | None = None
    async with nursery() as processes, anyio.create_task_group() as owners:

        def changed(config: ServerConfig, manifest: Manifest) -> None:
            toolbox.refresh()
            owners.start_soon(kept, manifests, config, manifest)

        for name, config in servers.items():
            connections[name] = Connection(
                name,
                config,
                remembered=None if config.disabled else manifests.read(config),
                dial=partial(dialled, name, config, env, processes, max_result_chars),
                changed=partial(changed, config),
            )
        toolbox = ServerToolbox(connections, max_parallel)
        for connection in connections.values():
            if not connection.config.disabled:
                owners.start_soon(connection.run)
        try:
            yield toolbox
        except Exception as error:  # noqa: BLE001  raised again below, as it came and not in a group
            failure = error
        owners.cancel_scope.cancel()
    if failure is not None:
        raise failure
