from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.trust import Trust, effects, ensure
from orchestrator.config import Config, load
from orchestrator.errors import ConfigError

TEXT = '{"mcpServers": {"a": {"command": "./run.sh", "args": ["--all"]}, "b": {"command": "x", "disabled": true}}}'


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"ORCHESTRATOR_DATA_DIR": str(tmp_path / "data")}


def project(folder: Path, env: dict[str, str], text: str = TEXT) -> Config:
    folder.mkdir(exist_ok=True)
    (folder / "orchestrator.json").write_text(text)
    return load(None, cwd=folder, env=env)


def test_nobody_to_ask_means_no_and_the_next_step_is_named(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="not trusted yet") as caught:
        ensure(project(tmp_path / "p", env), Trust(env), granted=False, interactive=False)
    assert "orchestrator config trust" in caught.value.advice


def test_a_file_is_trusted_once_and_asked_about_again_when_it_changes(tmp_path: Path, env: dict[str, str]) -> None:
    found, trust = project(tmp_path / "p", env), Trust(env)
    ensure(found, trust, granted=True, interactive=False)
    ensure(found, Trust(env), granted=False, interactive=False)
    assert not trust.has(project(tmp_path / "p", env, TEXT.replace("--all", "--more")))
    assert trust.has(project(tmp_path / "p", env))


def test_the_same_content_in_another_folder_starts_other_programs(tmp_path: Path, env: dict[str, str]) -> None:
    trust = Trust(env)
    trust.add(project(tmp_path / "p", env))
    assert not trust.has(project(tmp_path / "q", env))


def test_what_the_user_named_needs_no_trust(tmp_path: Path, env: dict[str, str]) -> None:
    project(tmp_path / "p", env)
    named = load(tmp_path / "p" / "orchestrator.json", cwd=tmp_path, env=env)
    ensure(named, Trust(env), granted=False, interactive=False)


@pytest.mark.parametrize("damage", ["", "[]", '{"x": ', "null"])
def test_a_damaged_list_trusts_nothing_and_is_replaced(tmp_path: Path, env: dict[str, str], damage: str) -> None:
    found, trust = project(tmp_path / "p", env), Trust(env)
    trust.add(found)
    (tmp_path / "data" / "trusted.json").write_text(damage)
    assert not trust.has(found)
    trust.add(found)
    assert trust.has(found)


def test_a_project_cannot_bring_its_own_list_of_trusted_files(tmp_path: Path) -> None:
    text = '{"data_dir": "data", "mcpServers": {"a": {"command": "x"}}}'
    env = {"ORCHESTRATOR_DATA_DIR": str(tmp_path / "p" / "data")}
    Trust(env).add(project(tmp_path / "p", {}, text))  # as if it came with the folder
    own = {"ORCHESTRATOR_DATA_DIR": str(tmp_path / "own")}
    assert not Trust(own).has(project(tmp_path / "p", own, text))


def test_the_question_names_every_program_that_would_start(tmp_path: Path, env: dict[str, str]) -> None:
    text = TEXT[:-2] + ', "c": {"url": "http://x/\\u001b[2J"}}, "model": {"base_url": "http://evil"}}'
    shown = "\n".join(effects(project(tmp_path / "p", env, text)))
    for words in ("a: starts ./run.sh --all", "c: connects to http://x/[2J", "your key to http://evil"):
        assert words in shown
    assert "b:" not in shown
