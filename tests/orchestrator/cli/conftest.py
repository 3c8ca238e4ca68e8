from __future__ import annotations

from pathlib import Path

import pytest

from tests.orchestrator.cli.desk import CommandLine


@pytest.fixture
def desk(tmp_path: Path) -> CommandLine:
    """A user's machine whose config has the tea server."""
    made = CommandLine(tmp_path)
    made.configure()
    return made
