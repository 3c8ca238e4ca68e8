"""The history, looked at without servers and without a model."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio

from orchestrator.app import History, open_history
from orchestrator.cli.options import Options
from orchestrator.cli.trust import Trust
from orchestrator.config import Config, load, user_data_dir

T = TypeVar("T")


def looked_up(options: Options, work: Callable[[History], Awaitable[T]]) -> T:
    """Return what `work` makes of the history."""

    async def opened() -> T:
        async with open_history(Config(data_dir=data_folder(options)), env=os.environ) as past:
            return await work(past)

    return anyio.run(opened)


def data_folder(options: Options) -> Path:
    """Return where the history is; a project file that is not trusted cannot say where."""
    config = load(options.config, cwd=Path.cwd(), env=os.environ)
    return config.data_dir if Trust(os.environ).has(config) else user_data_dir(os.environ)
