"""One live session with one server, from its opening to its loss: the border to the MCP SDK."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version

import anyio
import anyio.to_thread
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.client.subscriptions import SubscriptionLost
from mcp.types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INVALID_REQUEST,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    Implementation,
    InputRequiredResult,
    InputResponse,
    Tool,
    ToolListChangedNotification,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import JsonValue, ValidationError

from orchestrator.config import ServerConfig
from orchestrator.messages import Result, failed
from orchestrator.tools import questions, transports
from orchestrator.tools.content import to_result
from orchestrator.tools.diagnosis import diagnosed
from orchestrator.tools.errands import Errand
from orchestrator.tools.listing import listed
from orchestrator.tools.manifest import Manifest, Mode
from orchestrator.tools.processes import Nursery, prepared
from orchestrator.tools.schemas import Checker
from orchestrator.tools.sessions import Broken, CallLost, Relisted
from orchestrator.tools.texts import cleaned
from orchestrator.tools.trace import Trace

log = logging.getLogger(__name__)

MOST_PAGES = 100
MOST_ROUNDS = 10
"""How often a server may ask for more before it answers a call."""
QUIET = 0.3
"""Seconds without a further notice before a changed list is read again."""
PROBE_SECONDS = 5.0
"""How long a server that has missed a call's time may take for a sign of life; less if calls have less."""


@dataclass(frozen=True)
class Target:
    """Which server, and what it may use."""

    name: str
    config: ServerConfig
    env: Mapping[str, str]
    nursery: Nursery
    max_result_chars: int


class Link:
    """An open session. It is a `Session`."""

    def __init__(self, target: Target, trace: Trace, client: Client, manifest: Manifest) -> None:
        self.manifest = manifest
        self.changed = anyio.Event()
        self._target = target
        self._trace = trace
        self._client = client
        self._errands: dict[int, Errand] = {}
        self._checkers: dict[str, tuple[JsonValue, Checker]] = {}
        self._doubts = anyio.Event()
        self._listing = anyio.Lock()

    async def over(self) -> None:
        """Return when nothing more will come from the server."""
        await self._trace.lost.wait()

    def suspect(self) -> None:
        """Have somebody ask whether the server is still there."""
        self._doubts.set()

    async def relist(self) -> None:
        """Read the server's whole list of tools. Raises `MCPError`, `ValidationError`."""
        async with self._listing:
            await self._list()

    async def _list(self) -> None:
        tools: list[Tool] = []
        cursor = None
        self._trace.mender.version = self._client.protocol_version
        self._trace.mender.reset()
        for _ in range(MOST_PAGES):
            page = await self._client.list_tools(cursor=cursor)
            tools += page.tools
            cursor = page.next_cursor
            if cursor is None:
                break
        # Fitting many schemas takes long enough to be noticed.
        entries = await anyio.to_thread.run_sync(listed, tools, self.manifest.tools, self._trace.mender)
        self.manifest = self.manifest.model_copy(update={"tools": entries, "protocol": self._protocol()})

    def _protocol(self) -> str:
        spoken = self._client.protocol_version
        return f"{spoken} ({'modern' if spoken in MODERN_PROTOCOL_VERSIONS else 'legacy'})"

    async def call(self, errand: Errand, tool: str) -> Result:
        """Run one call, with its questions. Raises `CallLost`; a refusal by the server is a result."""
        call = errand.call
        if faults := self._faults(tool, call.arguments):
            return failed(call.id, "invalid arguments, nothing was called:\n" + "\n".join(faults))
        self._errands[id(errand)] = errand
        try:
            answer = await self._rounds(errand, tool)
        except MCPError as error:
            return failed(call.id, self._refusal(error))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            self._trace.lost.set()
            raise CallLost(unsent=True) from error
        except (ValueError, RuntimeError) as error:
            # What the SDK says of an answer that breaks the protocol, or the schema that the tool itself declares.
            return failed(
                call.id, f"{self._target.name} gave an answer that breaks its own rules: {cleaned(str(error)[:1000])}"
            )
        finally:
            del self._errands[id(errand)]
        return to_result(call.id, answer, self._target.max_result_chars)

    def _faults(self, tool: str, arguments: Mapping[str, JsonValue]) -> list[str]:
        given = next((one.given for one in self.manifest.tools if one.original == tool), None)
        known = self._checkers.get(tool)
        if known is None or known[0] is not given:
            known = self._checkers[tool] = (given, Checker(given if isinstance(given, dict) else {}))
        return known[1].faults(arguments)

    def _refusal(self, error: MCPError) -> str:
        """Return what the model reads. Raises `CallLost` if it was not the server that answered."""
        if error.code == CONNECTION_CLOSED:
            self._trace.lost.set()
            raise CallLost(unsent=False) from error
        if error.code == INVALID_REQUEST and error.message.startswith("Session "):
            # A server that was restarted does not know our session, and has run nothing (MCP 2025-11-25, transports).
            self._trace.lost.set()
            raise CallLost(unsent=True) from error
        status = f", HTTP {self._trace.status}" if self._trace.status >= HTTPStatus.BAD_REQUEST else ""
        return f"{self._target.name} refused the call: {cleaned(error.message)} (code {error.code}{status})"

    async def _rounds(self, errand: Errand, tool: str) -> CallToolResult:
        answers: dict[str, InputResponse] | None = None
        state: str | None = None
        for _ in range(MOST_ROUNDS):
            said = await self._round(errand, tool, answers, state)
            if isinstance(said, CallToolResult):
                return said
            given = await questions.fulfilled(self._target.name, said.input_requests or {}, errand)
            if isinstance(given, ErrorData):
                raise MCPError.from_error_data(given)
            answers, state = given, said.request_state
        raise MCPError(INVALID_REQUEST, f"it asked for more {MOST_ROUNDS} times and never answered")

    async def _round(
        self, errand: Errand, tool: str, answers: dict[str, InputResponse] | None, state: str | None
    ) -> CallToolResult | InputRequiredResult:
        for last in (False, True):
            try:
                return await self._client.session.call_tool(
                    tool,
                    dict(errand.call.arguments),
                    progress_callback=errand.report,
                    input_responses=answers,
                    request_state=state,
                    allow_input_required=True,
                    allow_claimed=False,
                )
            except MCPError as error:
                if last or error.code != HEADER_MISMATCH:
                    raise
                # It wants headers made from a newer schema than the one we know (2026-07-28), and has run nothing.
                await self.relist()
        raise AssertionError("unreachable")

    async def elicited(self, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Answer a server of the old era, which asks without saying for which of its calls."""
        errands = list(self._errands.values())
        if len({id(errand.desk) for errand in errands}) != 1:
            # Several people may be waiting: a question must not reach the wrong one.
            return ErrorData(code=INVALID_REQUEST, message="cannot tell whose call asks this: call again, alone")
        with contextlib.ExitStack() as stopped:
            # Whichever of them asks, the others may be waiting behind it.
            for errand in errands:
                stopped.enter_context(errand.clock.stopped())
            return await questions.asked(self._target.name, params, errands[0])

    async def watch(self, relisted: Relisted) -> None:
        """Read the list again whenever it changed, as long as the session lasts."""
        while True:
            await self.changed.wait()
            while self.changed.is_set():
                self.changed = anyio.Event()
                with anyio.move_on_after(QUIET):
                    await self.changed.wait()
            try:
                await self.relist()
            except (MCPError, ValidationError) as error:
                log.warning("%s: its tools changed, and could not be listed again: %s", self._target.name, error)
                continue
            await relisted(self.manifest)

    async def listen(self) -> None:
        """Be told about changes in the new era, where a server tells only those who listen."""
        capabilities = self._client.server_capabilities
        if self._client.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return
        if not (capabilities and capabilities.tools and capabilities.tools.list_changed):
            return
        while True:
            try:
                async with self._client.listen(tools_list_changed=True) as changes:
                    async for _ in changes:
                        self.changed.set()
                return
            except SubscriptionLost:
                # What changed in between was not told.
                self.changed.set()
                await anyio.sleep(1)
            except (MCPError, TimeoutError):
                return

    async def doubt(self) -> None:
        """End the session if, after a call without an answer in time, the server does not even list its tools."""
        while True:
            await self._doubts.wait()
            self._doubts = anyio.Event()
            with anyio.move_on_after(min(PROBE_SECONDS, self._target.config.call_timeout)) as patience:
                try:
                    await self._client.list_tools()
                except (MCPError, ValidationError):
                    continue
            if patience.cancelled_caught:
                self._trace.lost.set()


@asynccontextmanager
async def linked(target: Target, remembered: Manifest, relisted: Relisted) -> AsyncGenerator[Link]:
    """Open a session; at the end close it, and the process with it. Raises `Broken` with the reason.

    What cannot talk the new protocol at all (it exits at the first word of it) is tried once more, in a fresh process,
    with the old handshake; that is remembered.
    """
    modes: list[Mode] = ["auto", "legacy"] if remembered.mode == "auto" else ["legacy", "auto"]
    if target.config.url:
        modes = ["auto"]
    for mode in modes:
        trace = Trace()
        try:
            async with session(target, trace, remembered.model_copy(update={"mode": mode}), relisted) as link:
                yield link
        except Exception as error:
            # Whatever the SDK lets through: one server must not stop the others.
            if mode != modes[-1] and trace.phase == "negotiate" and not isinstance(error, TimeoutError):
                continue
            raise Broken(diagnosed(target.name, target.config, trace, error)) from error
        raise Broken(diagnosed(target.name, target.config, trace, None))


@asynccontextmanager
async def session(target: Target, trace: Trace, manifest: Manifest, relisted: Relisted) -> AsyncGenerator[Link]:
    """Open a session in the mode that the manifest says. Raises whatever goes wrong, alone or in groups."""
    async with AsyncExitStack() as stack:
        # Not anyio's: its scopes must be left in the order in which they were entered, and the client's stay open.
        async with asyncio.timeout(target.config.connect_timeout):
            link = await opened(stack, target, trace, manifest)
        async with anyio.create_task_group() as chores:
            chores.start_soon(link.watch, relisted)
            chores.start_soon(link.listen)
            chores.start_soon(link.doubt)
            yield link
            chores.cancel_scope.cancel()


async def opened(stack: AsyncExitStack, target: Target, trace: Trace, manifest: Manifest) -> Link:
    """Connect, negotiate and list the tools; what is opened is left on the stack."""
    config = target.config
    if config.command:
        transport = transports.stdio(prepared(config, target.env), target.nursery, trace)
    else:
        transport = transports.http(config, trace)
    links: list[Link] = []

    async def elicited(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        return await links[0].elicited(params)

    async def noticed(message: object) -> None:
        if isinstance(message, ToolListChangedNotification) and links:
            links[0].changed.set()

    client = Client(
        transport,
        mode=manifest.mode,
        cache=None,
        client_info=Implementation(name="mcp-orchestrator", version=version("mcp-orchestrator")),
        elicitation_callback=elicited,
        message_handler=noticed,
    )
    links.append(Link(target, trace, client, manifest))
    await stack.enter_async_context(client)
    trace.phase = "list"
    await links[0].relist()
    trace.phase = "call"
    return links[0]
