"""The stack of docker-compose.yml without an engine: every service's command as a process of this machine.

What a container changes is undone and nothing else: service names become loopback ports, places in a container become
folders, and PostgreSQL comes from a wheel. Commands, variables, config, SQL and health checks are the file's own.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.journeys import composed
from tests.journeys.composed import HOUSE, Composed, Mount, Service
from tests.journeys.postgres import BIN, postgres
from tests.journeys.stage import Done

PATIENCE_S = 120
LISTENING = {"postgres": 5432, "files": 8000, "database": 8000, "fetch": 8000, "simulator": 8000}
ADDRESS = re.compile(rf"\b({'|'.join(LISTENING)}):(\d+)\b")


@dataclass(frozen=True)
class Ground:
    """Where on this machine the stack's places and ports are."""

    composed: Composed
    folder: Path
    ports: Mapping[str, int] = field(default_factory=lambda: {name: free_port() for name in LISTENING})

    def program(self, service: Service, *words: str) -> list[str]:
        """Return these words of a service's command line as they are said here."""
        return [self.here(service, word) for word in words]

    def environment(self, service: Service) -> dict[str, str]:
        """Return the variables that a service's process has."""
        own = {name: self.here(service, value) for name, value in service.environment.items()}
        path = os.pathsep.join([str(Path(sys.executable).parent), str(BIN), os.environ["PATH"]])
        return {"PATH": path, "HOME": str(self.folder / "nobody"), "TMPDIR": str(self.folder)} | own

    def here(self, service: Service, text: str) -> str:
        """Return a text of the file as it is said here: paths of this machine, ports on loopback."""
        text = self.addresses(text)
        if service.name in self.ports:
            inside, outside = LISTENING[service.name], self.ports[service.name]
            text = re.sub(rf"(0\.0\.0\.0|127\.0\.0\.1):{inside}\b", f"127.0.0.1:{outside}", text)
            text = text.replace("--host=0.0.0.0", "--host=127.0.0.1").replace(f"--port={inside}", f"--port={outside}")
        for target, place in self.places(service).items():
            text = re.sub(rf"(?<![\w./-]){re.escape(target)}(?![\w.-])", str(place), text)
        return text

    def addresses(self, text: str) -> str:
        """Return a text with `name:port` of services as loopback addresses."""
        return ADDRESS.sub(lambda found: f"127.0.0.1:{self.ports[found[1]]}", text)

    def places(self, service: Service) -> dict[str, Path]:
        """Return where a container's mounts are on this machine; the deepest first."""
        mounts = sorted(service.mounts, key=lambda mount: -len(mount.target))
        # Last what the image has there: see deploy/Dockerfile.
        image = {"/opt/stack": HOUSE / "deploy" / "stack", "/secrets": self.folder / "secrets"}
        return {mount.target: self.place(mount) for mount in mounts} | image

    def place(self, mount: Mount) -> Path:
        """Return the folder or file that stands for a mount; configs are copied, with the services' addresses here."""
        if mount.source in self.composed.volumes:
            return self.volume(mount.source)
        source = HOUSE / mount.source
        if not source.is_file():
            return source
        copy = self.folder / source.name
        copy.write_text(self.addresses(source.read_text(encoding="utf-8")), encoding="utf-8")
        return copy

    def volume(self, name: str) -> Path:
        """Return the folder of a volume; those of secrets lie in one, as the service that fills them sees them."""
        owner = name.removesuffix("-secrets")
        place = self.folder / name if owner == name else self.folder / "secrets" / owner
        place.mkdir(parents=True, exist_ok=True)
        return place


@dataclass
class Stack:
    """The running stack."""

    ground: Ground
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    @property
    def services(self) -> Mapping[str, Service]:
        return self.ground.composed.services

    def url(self, name: str, path: str = "") -> str:
        """Return where a service answers."""
        return f"http://127.0.0.1:{self.ground.ports[name]}{path}"

    def secret(self, service: str, name: str) -> str:
        """Return a secret that the stack made for itself."""
        return (self.ground.folder / "secrets" / service / name).read_text(encoding="utf-8").strip()

    def complete(self, name: str, *words: str, said: str = "", env: Mapping[str, str] | None = None) -> Done:
        """Run a service to its end, as `docker compose run NAME WORDS` does; without words its own command."""
        service = self.services[name]
        line = self.ground.program(service, *service.entrypoint, *(words or service.command))
        done = subprocess.run(
            line,
            env={**self.ground.environment(service), **(env or {})},
            cwd=self.ground.folder,
            input=said,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def running(self, name: str, *more: str) -> Generator[None]:
        """Run a service as the file says, with `more` at the end of its command, until the block is left."""
        service = self.services[name]
        line = self.ground.program(service, *service.entrypoint, *service.command, *more)
        log = self.ground.folder / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                line,
                env=self.ground.environment(service),
                cwd=self.ground.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.processes[name] = process
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)

    @contextmanager
    def database(self) -> Generator[None]:
        """Run PostgreSQL with the service's variables and its script."""
        service = self.services["postgres"]
        (script,) = [mount for mount in service.mounts if mount.target.startswith("/docker-entrypoint-initdb.d/")]
        data, port = self.ground.folder / "postgres", self.ground.ports["postgres"]
        with postgres(data, port, HOUSE / script.source, self.ground.environment(service)):
            yield

    def dismiss(self) -> None:
        """Ask all to leave at once, so that nobody waits for one after the other."""
        for process in self.processes.values():
            process.terminate()

    def healthy(self, name: str) -> bool:
        """Ask the service's own health check once."""
        service = self.services[name]
        line = self.ground.program(service, *service.health)
        environment = self.ground.environment(service)
        return (
            subprocess.run(line, env=environment, capture_output=True, timeout=PATIENCE_S, check=False).returncode == 0
        )

    def await_health(self, name: str) -> None:
        """Ask the health check until it says yes, as the engine does; fail if the process ends or takes too long."""
        until = time.monotonic() + PATIENCE_S
        while not self.healthy(name):
            log = self.ground.folder / f"{name}.log"
            process = self.processes.get(name)
            assert process is None or process.poll() is None, f"{name} ended: {log.read_text()}"
            assert time.monotonic() < until, f"{name} is not well after {PATIENCE_S} s: {log.read_text()}"


@contextmanager
def started(env: Mapping[str, str], more: Mapping[str, tuple[str, ...]]) -> Generator[Stack]:
    """Start the stack in the order of its dependencies; `more` is added to the commands of services."""
    with ExitStack() as exits:
        folder = Path(tempfile.mkdtemp(prefix="stack-"))
        exits.callback(shutil.rmtree, folder, ignore_errors=True)
        stack = Stack(Ground(composed.read(env), folder))
        for name in ordered(stack.services):
            if stack.services[name].said.get("profiles"):
                continue  # on demand
            for needed, wish in depends_on(stack.services[name]).items():
                if wish["condition"] == "service_healthy":
                    stack.await_health(needed)
            if name == "secrets":
                done = stack.complete(name)
                assert done.code == 0, done
            elif name == "postgres":
                exits.enter_context(stack.database())
            else:
                exits.enter_context(stack.running(name, *more.get(name, ())))
        for name in stack.processes:
            stack.await_health(name)
        exits.callback(stack.dismiss)
        yield stack


def depends_on(service: Service) -> Mapping[str, Mapping[str, str]]:
    """Return the services that must be there first, and in which condition."""
    return service.said.get("depends_on", {})


def ordered(services: Mapping[str, Service]) -> list[str]:
    """Return the services so that each comes after those it depends on."""
    order: list[str] = []

    def add(name: str) -> None:
        for before in depends_on(services[name]):
            add(before)
        if name not in order:
            order.append(name)

    for name in services:
        add(name)
    return order


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
