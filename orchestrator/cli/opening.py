"""From options to an open app, and back to an exit code."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from orchestrator.app import App, open_app
from orchestrator.cli.interrupts import Interrupts
from orchestrator.cli.options import Options
from orchestrator.cli.trust import Trust, ensure
from orchestrator.config import Config, load
from orchestrator.errors import ConfigError
from orchestrator.logs import logging_to

KINDS = ("fast", "deep")
"""Models by what they are for; the config names them."""
Work = Callable[[App, Interrupts], Awaitable[int]]
ATTENDED_WAIT, UNATTENDED_WAIT = 2.5, 15.0
"""Seconds that a message waits for servers: a person is not kept waiting, a script not answered without its tools."""


def configured(options: Options, *, interactive: bool) -> Config:
    """Return the configuration with the options in it. Raises `ConfigError`, also for a file that is not trusted."""
    config = load(options.config, cwd=Path.cwd(), env=os.environ)
    ensure(config, Trust(os.environ), granted=options.trust, interactive=interactive)
    check_model(config, options.model)
    policy = config.policy.model_copy(update={"deny": (*config.policy.deny, *options.deny)})
    wait = options.wait
    if wait is None and "start_seconds" not in config.limits.model_fields_set:
        wait = ATTENDED_WAIT if interactive else UNATTENDED_WAIT
    given = {"start_seconds": wait, "max_cost": options.max_cost}
    limits = config.limits.model_copy(update={name: value for name, value in given.items() if value is not None})
    return config.model_copy(update={"policy": policy, "limits": limits})


def check_model(config: Config, name: str) -> None:
    """Raise `ConfigError` if `name` is a kind of model (`fast`, `deep`) that the config does not set."""
    if name in KINDS and not getattr(config.model, name):
        raise ConfigError(f"{config.source} does not say which model is {name}.", f"Set model.{name}, or name a model.")


def check_endpoint(config: Config, env: Mapping[str, str]) -> None:
    """Raise `ConfigError` for an address or a key that could not even be sent, so that nobody asks again in vain."""
    base, place = config.model.base_url, f"model.base_url in {config.source}"
    if not base:
        base, place = env.get("ANTHROPIC_BASE_URL", ""), "ANTHROPIC_BASE_URL"
    if base and not is_web_address(base):
        raise ConfigError(f"{place} is no web address: {base!r}.", "It begins with http:// or https:// and a host.")
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        if any(sign.isspace() or not sign.isprintable() for sign in env.get(name, "")):
            raise ConfigError(f"{name} holds a space, a line break or a control character.", "Set it without.")


def is_web_address(text: str) -> bool:
    """Whether requests can be sent there."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # no port, or brackets that do not match
        return False


def run(work: Work, options: Options, *, interactive: bool) -> int:
    """Open the app, do the work and return its exit code, or the signal's if one made us leave."""
    config = configured(options, interactive=interactive)
    check_endpoint(config, os.environ)
    with logging_to(config.data_dir, env=os.environ, verbose=options.verbose):
        return anyio.run(_opened, work, config)


async def _opened(work: Work, config: Config) -> int:
    interrupts = Interrupts()
    code = 0
    async with open_app(config, env=os.environ) as app, anyio.create_task_group() as tasks:
        await tasks.start(interrupts.listen, tasks.cancel_scope)
        code = await work(app, interrupts)
        tasks.cancel_scope.cancel()
    return interrupts.left or code
