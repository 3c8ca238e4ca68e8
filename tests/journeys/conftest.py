"""What every story may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journeys.stage import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A new user's machine; the folder holds three files."""
    made = Desk(tmp_path / "home", tmp_path / "work")
    made.home.mkdir()
    made.folder.mkdir()
    (made.folder / "README.md").write_text("# Teapots\n\nHow to brew tea, in three steps.\n\nBoil, pour, wait.\n")
    (made.folder / "prices.csv").write_text("tea,price\nassam,4\nsencha,7\n")
    (made.folder / "notes").mkdir()
    (made.folder / "notes" / "plan.md").write_text("Buy more sencha.\n")
    return made
