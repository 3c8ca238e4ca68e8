"""A user's machine for the command line: an empty home, a folder, one server, the simulator as the model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

TEA = Path(__file__).parent / "programs" / "tea.py"
PATIENCE_S = 60
FOREIGN = re.compile(r"ANTHROPIC_|ORCHESTRATOR_|.*_PROXY$", re.IGNORECASE)


@dataclass(frozen=True)
class CommandLine:
    """Runs `orchestrator` in its folder, with the tea server alone."""

    home: Path

    @property
    def config(self) -> Path:
        return self.home / "tea.json"

    def configure(self, **sections: Any) -> None:
        """Write the config; sections are added to the tea server."""
        servers = {"tea": {"command": sys.executable, "args": [str(TEA)], "required": True}} | sections.pop("more", {})
        policy = {"trust": ["tea"]} | sections.pop("policy", {})
        self.config.write_text(json.dumps({"mcpServers": servers, "policy": policy, **sections}))

    def environment(self, **more: str) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
        own = {
            "HOME": str(self.home),
            "ORCHESTRATOR_DATA_DIR": str(self.home / "data"),
            "ORCHESTRATOR_CONFIG": str(self.config),
            "TERM": "xterm-256color",
        }
        return clean | own | more

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, stdin: int = DEVNULL, stderr: int = DEVNULL
    ) -> subprocess.Popen[bytes]:
        """Start `orchestrator` with its output on a pipe; the caller sees to its end."""
        line = [sys.executable, "-m", "orchestrator", *words]
        env = self.environment(**(env or {}))
        return subprocess.Popen(line, cwd=self.home, env=env, stdin=stdin, stdout=PIPE, stderr=stderr)

    def run(self, *words: str, said: str = "", **env: str) -> tuple[int, str, str]:
        """Run `orchestrator` to its end and return its exit code, stdout and stderr."""
        with self.start(*words, env=env, stdin=PIPE, stderr=PIPE) as process:
            try:
                out, err = process.communicate(said.encode(), PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return process.returncode, out.decode(), err.decode()
