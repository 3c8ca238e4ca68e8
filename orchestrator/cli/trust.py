"""Which project files may start programs: each content of each file is asked about once."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from orchestrator.cli.cleaning import one_line
from orchestrator.config import Config, user_data_dir
from orchestrator.errors import ConfigError

NEXT_STEP = "Look at it, then run `orchestrator config trust`, or add --trust."


class Trust:
    """The files that the user trusts, kept in `trusted.json` in the user's own data folder, where no project writes."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._file = user_data_dir(env) / "trusted.json"

    def has(self, config: Config) -> bool:
        """Whether this content of this file may be obeyed."""
        return not config.needs_trust or mark(config) in self._marks()

    def add(self, config: Config) -> None:
        """Remember this content of this file. The list is replaced in one step."""
        marks = self._marks() | {mark(config): config.source}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=self._file.parent, prefix="trusted-")
        with os.fdopen(number, "w", encoding="utf-8") as file:
            json.dump(marks, file, indent=2)
        Path(name).replace(self._file)

    def _marks(self) -> dict[str, str]:
        """Return the remembered marks with their files; a damaged list trusts nothing."""
        try:
            marks: object = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        known = cast("dict[object, object]", marks) if isinstance(marks, dict) else {}
        return {str(key): str(value) for key, value in known.items()}


def mark(config: Config) -> str:
    """Return the hash of a file's place and content: the same content elsewhere starts other programs."""
    return hashlib.sha256(f"{Path(config.source).resolve()}\0{config.fingerprint}".encode()).hexdigest()


def ensure(config: Config, trust: Trust, *, granted: bool, interactive: bool) -> None:
    """Return if the file may be obeyed, after asking if somebody is there. Raises `ConfigError` with the next step."""
    if trust.has(config):
        return
    if not granted:
        if not interactive:
            raise ConfigError(f"{config.source} came with this folder and is not trusted yet.", NEXT_STEP)
        sys.stderr.write("\n".join(effects(config)) + "\n")
        sys.stderr.write("Trust this file as it is now? [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise ConfigError(f"{config.source} is not trusted.", "Run elsewhere, or name another file with --config.")
    trust.add(config)


def effects(config: Config) -> list[str]:
    """Return what obeying the file does, one line each."""
    rows = [f"{config.source} came with this folder. Obeying it:"]
    for name, server in config.mcp_servers.items():
        if not server.disabled:
            does = (
                f"starts {' '.join((server.command, *server.args))}" if server.command else f"connects to {server.url}"
            )
            rows.append(f"  {one_line(name, 40)}: {one_line(does, 300)}")
    if config.model.base_url:
        rows.append(f"  sends the conversation and your key to {one_line(config.model.base_url, 300)}")
    rows.append(f"  keeps conversations in {one_line(str(config.data_dir), 300)}")
    return rows
