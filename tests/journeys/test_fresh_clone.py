"""A fresh machine: nothing but Python, git and make. One command sets up, and answers."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.journeys.stage import Desk

HOUSE = Path(__file__).parents[2]


def test_one_command_on_a_fresh_clone_sets_up_and_answers_with_real_files(desk: Desk, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(HOUSE), str(clone)], check=True, timeout=120)
    environment = desk.environment(MAKEFLAGS="", MAKELEVEL="")
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        ["make", "chat"],
        cwd=clone,
        env=environment,
        input="list the files here, then show me the first lines of README.md\n",
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("LICENSE", "Makefile", "pyproject.toml"):
        assert name in done.stdout, done.stdout
    first = (clone / "README.md").read_text().splitlines()[0]
    assert first in done.stdout
    assert "simulator" in done.stdout
    again = subprocess.run(
        ["make", "chat"], cwd=clone, env=environment, input="", capture_output=True, text=True, timeout=300, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "set-up" not in again.stderr, "the second time nothing is set up"
