"""What each server offered last time, kept on disk, so that its tools are known before its process is up."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from orchestrator.config import ServerConfig
from orchestrator.messages import Value

Mode = Literal["auto", "legacy"]
"""How to open a connection: ask for the newest protocol first, or use the old handshake at once."""


class Listed(Value):
    """A tool as its server describes it, and as it can be offered to a model."""

    original: str
    title: str = ""
    description: str = ""
    given: JsonValue
    """The schema of its arguments as the server gave it; arguments are checked against this one."""
    offered: dict[str, JsonValue] | None
    """The schema as model APIs take it, or nothing if it cannot be made to fit; `problem` then says why."""
    problem: str = ""
    read_only: bool = False
    destructive: bool = True
    idempotent: bool = False
    open_world: bool = True

    @property
    def repeatable(self) -> bool:
        """Whether calling it twice does no more than calling it once, as the server says."""
        return self.read_only or self.idempotent


class Manifest(Value):
    """All that is remembered of a server."""

    version: Literal[1] = 1
    name: str
    mode: Mode = "auto"
    protocol: str = ""
    tools: tuple[Listed, ...] = ()


def identity(config: ServerConfig) -> str:
    """Return a hash of what makes it this server: program, arguments, folder, address, names of variables and headers.

    Values of variables and headers are left out: a new key does not make a new server.
    """
    marks = [config.command, config.args, config.cwd, config.url, sorted(config.env), sorted(config.headers)]
    return hashlib.sha256(json.dumps(marks).encode()).hexdigest()[:32]


class Manifests:
    """The remembered manifests, one file each. A file that is missing or broken is as good as none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, config: ServerConfig) -> Manifest | None:
        """Return what this server offered last time, if it is known."""
        try:
            return Manifest.model_validate_json(self._path(config).read_bytes())
        except (OSError, ValidationError):
            return None

    def write(self, config: ServerConfig, manifest: Manifest) -> None:
        """Remember what the server offers now. A full or read-only disk only costs the memory."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".new")
        except OSError:
            return
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(manifest.model_dump_json())
            os.replace(temporary, self._path(config))
        except OSError:
            Path(temporary).unlink(missing_ok=True)

    def _path(self, config: ServerConfig) -> Path:
        return self._folder / f"{identity(config)}.json"
