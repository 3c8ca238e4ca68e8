"""`config show`, `config check`, `config trust`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestrator.cli.options import Options
from orchestrator.cli.trust import NEXT_STEP, Trust, effects
from orchestrator.config import Config, load

HIDDEN = "[hidden]"


def show(options: Options) -> int:
    """Show the configuration that counts here, and where it comes from; values of variables and headers are hidden."""
    config = _loaded(options)
    secretive = {
        name: server.model_copy(
            update={"env": dict.fromkeys(server.env, HIDDEN), "headers": dict.fromkeys(server.headers, HIDDEN)}
        )
        for name, server in config.mcp_servers.items()
    }
    sys.stderr.write(f"from: {config.source}\n")
    shown = config.model_copy(update={"mcp_servers": secretive})
    left_out = {"source", "origin", "fingerprint", "needs_trust"}
    sys.stdout.write(shown.model_dump_json(by_alias=True, indent=2, exclude=left_out, exclude_defaults=True) + "\n")
    return 0


def check(options: Options) -> int:
    """Say whether the configuration can be used. Raises `ConfigError` if not."""
    config = _loaded(options)
    names = ", ".join(config.mcp_servers) or "none"
    sys.stdout.write(f"✓ {config.source}: {len(config.mcp_servers)} servers ({names}), model {config.model.name}\n")
    if not Trust(os.environ).has(config):
        sys.stdout.write(f"! It came with this folder and is not trusted yet. {NEXT_STEP}\n")
    return 0


def trust(options: Options) -> int:
    """Trust the project file as it is now, and say what that means."""
    config = _loaded(options)
    if not config.needs_trust:
        sys.stdout.write(f"{config.source} needs no trust.\n")
        return 0
    Trust(os.environ).add(config)
    sys.stdout.write("\n".join(effects(config)) + "\nTrusted as it is now; a change is asked about again.\n")
    return 0


def _loaded(options: Options) -> Config:
    return load(options.config, cwd=Path.cwd(), env=os.environ)
