"""The options of the program: what cannot be meant is refused by name, before anything listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulator import faults
from simulator.command import main


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--port", "99999"),
        ("--port", "-1"),
        ("--port", "http"),
        ("--first-token", "-1"),
        ("--tokens-per-second", "nan"),
        ("--batch-seconds", "inf"),
        ("--requests-per-minute", "0"),
        ("--output-tokens-per-minute", "many"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused_with_its_option(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main([f"{option}={value}"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert f"argument {option}: '{value}' is no" in said


def test_its_help_speaks_of_the_command_that_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"], "orchestrator simulate")
    assert capsys.readouterr().out.startswith("usage: orchestrator simulate")


@pytest.mark.parametrize("option", ["--scenario", "--ledger"])
@pytest.mark.parametrize("name", ["gone/there.yaml", "."], ids=["not there", "a folder"])
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, option: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / name)
    assert main([option, path, "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"simulator: {path}: ")
    assert "Errno" not in said


def test_a_scenario_that_is_no_text_is_named_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "tea.yaml"
    path.write_bytes(b"name: Tea\nrules:\n  - say: \xff\n")
    assert main(["--scenario", str(path), "--port", "0"]) == 2
    assert capsys.readouterr().err == f"simulator: {path}:3: this is no text in UTF-8\n"


@pytest.mark.parametrize(
    "text",
    [
        "gremlins",
        "429 retry-after=soon",
        "429 retry-after=date:soon",
        "429 retry-after=-1",
        "cut after=-1",
        "cut after=x",
        "slow seconds=nan",
        "stall seconds=1e300",
        "cut before=3",
    ],
)
def test_a_fault_that_cannot_happen_is_refused_with_the_ways_to_write_one(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="a fault is a status"):
        faults.parse(text)
    assert main(["--fault", text, "--port", "0"]) == 2
    assert "a fault is a status" in capsys.readouterr().err
