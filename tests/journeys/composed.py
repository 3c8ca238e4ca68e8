"""What docker-compose.yml says, as values: services, their programs, places and ways to one another."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HOUSE = Path(__file__).parent.parent.parent
FILE = HOUSE / "docker-compose.yml"
VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_]\w*)(?::-([^}]*))?\})")


@dataclass(frozen=True)
class Mount:
    """A volume, a folder of the host or a file of the project inside a container."""

    source: str
    """A volume's name, or a path seen from the project."""
    target: str
    read_only: bool


@dataclass(frozen=True)
class Service:
    """One service, as far as a program's surroundings go; `said` is all that the file says of it."""

    name: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str]
    networks: frozenset[str]
    mounts: tuple[Mount, ...]
    health: tuple[str, ...]
    """The command that says whether it is well; empty without one."""
    said: Mapping[str, Any]


@dataclass(frozen=True)
class Composed:
    """The stack as the file describes it."""

    services: Mapping[str, Service]
    internal: frozenset[str]
    """The networks with no way out."""
    outward: frozenset[str]
    """All others."""
    volumes: frozenset[str]

    def on(self, network: str) -> set[str]:
        """Return the services on a network."""
        return {name for name, service in self.services.items() if network in service.networks}

    def neighbours(self, name: str) -> set[str]:
        """Return the services that share a network with this one."""
        return {other for network in self.services[name].networks for other in self.on(network)} - {name}


def read(env: Mapping[str, str]) -> Composed:
    """Return the stack as compose sees it with these variables set where it runs."""
    said = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    files = {name: str(config["file"]) for name, config in said["configs"].items()}
    networks: Mapping[str, Mapping[str, Any] | None] = said["networks"]
    internal = frozenset(name for name, options in networks.items() if (options or {}).get("internal"))
    services = {name: _service(name, _filled(service, env), files, env) for name, service in said["services"].items()}
    return Composed(services, internal, frozenset(networks) - internal, frozenset(said["volumes"]))


def _filled(value: Any, env: Mapping[str, str]) -> Any:
    """Return the value with `${NAME}` and `${NAME:-default}` replaced in every text."""
    if isinstance(value, dict):
        return {key: _filled(one, env) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, env) for one in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: "$" if found[1] else env.get(found[2]) or found[3] or "", value)
    return value


def _service(name: str, said: Mapping[str, Any], files: Mapping[str, str], env: Mapping[str, str]) -> Service:
    configs = [Mount(files[one["source"]], one["target"], True) for one in said.get("configs", [])]
    environment: Mapping[str, str | None] = said.get("environment", {})
    passed_on = {key: env[key] for key, value in environment.items() if value is None and key in env}
    given = {key: value for key, value in environment.items() if value is not None}
    return Service(
        name=name,
        entrypoint=tuple(said.get("entrypoint", ())),
        command=tuple(said.get("command", ())),
        environment=given | passed_on,
        networks=frozenset(said.get("networks", ())),
        mounts=(*(_mount(one) for one in said.get("volumes", [])), *configs),
        health=_health(said.get("healthcheck", {}).get("test", ())),
        said=said,
    )


def _mount(text: str) -> Mount:
    source, target, *mode = text.split(":")
    return Mount(source, target, mode == ["ro"])


def _health(test: Sequence[str]) -> tuple[str, ...]:
    assert not test or test[0] == "CMD", test
    return tuple(test[1:])
