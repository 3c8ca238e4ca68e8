"""One server and whatever session it has at the moment: one task owns it, calls come from any task."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import anyio

from orchestrator.config import ServerConfig
from orchestrator.messages import Call, Result, failed
from orchestrator.ports import Desk, ServerState, ServerStatus
from orchestrator.tools.errands import Errand, Seat, WorkClock
from orchestrator.tools.manifest import Listed, Manifest
from orchestrator.tools.problems import Problem, Unusable
from orchestrator.tools.sessions import Broken, CallLost, Dial, Session

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 30.0
"""Seconds between attempts; doubled each time."""
MOST_STARTS, GIVEN_UP = 4, 300.0
"""A program that failed so often in a row is only started again after so many seconds, or when a call wants it."""
SHORT_LIFE = 5.0
"""A session that ends within so many seconds counts as a failure."""
FRESH = 5.0
"""A failure is the answer to calls for so many seconds; then a call is worth another attempt."""
PER_SERVER = 8
"""How many calls one server gets at a time."""


class Connection:
    """A configured server. `run` is the life of its owner task."""

    def __init__(
        self,
        name: str,
        config: ServerConfig,
        *,
        remembered: Manifest | None,
        dial: Dial,
        changed: Callable[[Manifest], None],
    ) -> None:
        self.name = name
        self.config = config
        self.problem: Problem | None = None
        self._manifest = remembered or Manifest(name=name)
        self._dial = dial
        self._changed = changed
        self._state: ServerState = "stopped" if config.disabled else "starting"
        self._since = anyio.current_time()
        self._took = 0.0
        self._failures = 0
        self._failed_at = -math.inf
        self._session: Session | None = None
        self._verdict = anyio.Event()
        self._wanted = anyio.Event()
        self._places = anyio.Semaphore(PER_SERVER)

    @property
    def tools(self) -> tuple[Listed, ...]:
        """What the server offers, or offered last time."""
        return self._manifest.tools

    @property
    def status(self) -> ServerStatus:
        """How the server is doing."""
        unfit = [f"  {tool.original}: {tool.problem}" for tool in self.tools if tool.offered is None]
        notes = [f"{self.name}: tools that cannot be offered to a model:", *unfit] if unfit else []
        report = [self.problem.text] if self.problem and self._state != "ready" else []
        return ServerStatus(
            name=self.name,
            state=self._state,
            tools=len(self.tools) - len(unfit),
            seconds=self._took if self._state == "ready" else anyio.current_time() - self._since,
            problem="\n".join([*report, *notes]),
            protocol=self._manifest.protocol,
            required=self.config.required,
        )

    async def settled(self) -> None:
        """Return when the server is ready or has failed."""
        while self._state == "starting":
            await self._verdict.wait()

    async def known(self, seconds: float) -> None:
        """Return when it is known what the server offers, or that it failed, or once it had `seconds` to start."""
        with anyio.move_on_after(self._since + seconds - anyio.current_time()):
            while self._state == "starting" and not self._manifest.tools:
                await self._verdict.wait()

    async def run(self) -> None:
        """Keep the server connected until cancelled."""
        try:
            while True:
                began = anyio.current_time()
                problem = await self._live()
                lived = self._session is not None and anyio.current_time() - began > SHORT_LIFE
                self._ended(problem)
                self._failures = 1 if lived else self._failures + 1
                await self._rest()
        finally:
            self._session = None
            self._state = "stopped"
            self._verdict.set()

    async def _live(self) -> Problem:
        """Open a session, let it serve until it is lost, and return why it ended."""
        try:
            async with self._dial(self._manifest, self._relisted) as session:
                self._session = session
                self._took = anyio.current_time() - self._since
                self.problem = None
                await self._relisted(session.manifest)
                self._state = "ready"
                self._decided()
                try:
                    await session.over()
                finally:
                    # Calls that come while it is being closed must wait for the next one.
                    self._state = "starting"
        except Broken as failure:
            return failure.problem
        raise AssertionError("a session ends by itself only with a reason")

    def _ended(self, problem: Problem) -> None:
        """Note that there is no session now. One that had been ready is started again, and only then given up."""
        self.problem = problem
        self._since = anyio.current_time()
        if self._session is not None:
            self._session = None
            self._state = "starting"
            return
        self._failed_at = self._since
        self._state = "failed"
        self._decided()

    def _decided(self) -> None:
        """Wake those who wait for the outcome of this attempt."""
        verdict, self._verdict = self._verdict, anyio.Event()
        verdict.set()

    async def _rest(self) -> None:
        """Wait before the next attempt: less if somebody wants the server, long if it has failed too often."""
        if self._state == "failed":
            # Those who wanted it have just been told.
            self._wanted = anyio.Event()
        pause = min(FIRST_PAUSE * 2 ** (self._failures - 1), LONGEST_PAUSE)
        if self._failures >= MOST_STARTS and self.config.command:
            pause = GIVEN_UP
        with anyio.move_on_after(pause * random.uniform(0.8, 1.2)):
            await self._wanted.wait()
        self._wanted = anyio.Event()

    async def _relisted(self, manifest: Manifest) -> None:
        if manifest != self._manifest:
            self._manifest = manifest
            self._changed(manifest)

    async def call(self, call: Call, tool: Listed, desk: Desk, places: anyio.Semaphore) -> Result:
        """Run one call; every failure is a result. It takes one of `places` while it runs, and one of this server's."""
        repeated = False
        while True:
            try:
                session = await self._open_session()
            except Unusable as reason:
                return failed(call.id, str(reason))
            try:
                async with Seat(self._places, places) as seat:
                    if self._serves(session):
                        return await self._timed(session, call, tool, desk, seat)
            except CallLost as loss:
                if self._serves(session):
                    # Its owner will notice a moment later than we do.
                    self._state = "starting"
                if repeated or not (loss.unsent or tool.repeatable):
                    return failed(call.id, self._unknown(tool))
                repeated = True

    def _serves(self, session: Session) -> bool:
        """Whether this session is still the one that takes calls."""
        return self._session is session and self._state == "ready"

    async def _timed(self, session: Session, call: Call, tool: Listed, desk: Desk, seat: Seat) -> Result:
        clock = WorkClock(self.config.call_timeout)
        with clock.running():
            return await session.call(Errand(call, desk, clock, seat), tool.original)
        assert clock.expired
        session.suspect()
        return failed(
            call.id,
            f"no answer: {self.name} did not finish {tool.original!r} within {self.config.call_timeout:g} seconds, and "
            "the call was cancelled. It may have taken effect. Ask for less at once, or tell the user that "
            "`call_timeout` of this server can be raised.",
        )

    async def _open_session(self) -> Session:
        """Return the session, waiting for it as long as connecting may take. Raises `Unusable`."""
        if self._session and self._state == "ready":
            return self._session
        if self._state == "failed" and anyio.current_time() - self._failed_at < FRESH:
            raise Unusable(self._excuse())
        with anyio.move_on_after(self.config.connect_timeout):
            while True:
                self._wanted.set()
                await self._verdict.wait()
                if self._session and self._state == "ready":
                    return self._session
                if self._state != "starting":
                    raise Unusable(self._excuse())
        raise Unusable(
            f"not called: {self.name} is still starting after {self.config.connect_timeout:g} seconds. Try again later."
        )

    def _excuse(self) -> str:
        """Return what a model reads when the server cannot take its call."""
        report = self.problem.text if self.problem else f"{self.name}: stopped"
        return f"not called: the server cannot be used now.\n{report}\nDo not repeat the call; tell the user."

    def _unknown(self, tool: Listed) -> str:
        return (
            f"outcome unknown: {self.name} was lost while it ran {tool.original!r}. The call may have taken effect. "
            "The server is being started again: check with a reading tool before you repeat the call."
        )
