from __future__ import annotations

import logging
from pathlib import Path

import pytest

from orchestrator.logs import logging_to, redacted

KEY = "sk-ant-api03-abcdefghijklmnop"


@pytest.mark.parametrize(
    "line",
    [
        f"x-api-key: {KEY}",
        f"Authorization: Bearer {KEY}",
        f"{{'authorization': 'Bearer {KEY}'}}",
        f'"ANTHROPIC_API_KEY": "{KEY}"',
        f"GITHUB_TOKEN={KEY}",
        f"the key {KEY} was refused",
        f"postgres://ada:{KEY}@host/db",
        f"password='{KEY}'",
        f"b'x-api-key', b'{KEY}' Bearer {KEY}",
    ],
)
def test_what_looks_like_a_secret_is_hidden(line: str) -> None:
    assert KEY not in redacted(line)
    assert "[hidden]" in redacted(line)


@pytest.mark.parametrize("line", ["12 tokens used", "the token count is 5", "GET http://127.0.0.1:80/x", "a: b"])
def test_ordinary_words_stay(line: str) -> None:
    assert redacted(line) == line


def test_the_log_file_knows_no_secret_of_the_environment(tmp_path: Path) -> None:
    with logging_to(tmp_path, env={"MY_API_KEY": "correct-horse", "HOME": "/home/adalovelace"}) as file:
        try:
            raise ValueError("refused correct-horse at /home/adalovelace")
        except ValueError:
            logging.getLogger("here").exception("failed")
    text = file.read_text(encoding="utf-8")
    assert "correct-horse" not in text
    assert "refused [hidden] at /home/adalovelace" in text
    assert "Traceback" in text
    assert file.stat().st_mode & 0o077 == 0


def test_the_log_goes_to_stderr_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(tmp_path, env={}):
        logging.getLogger("here").warning("quiet")
    with logging_to(tmp_path, env={}, verbose=True):
        logging.getLogger("here").warning("loud")
    error = capsys.readouterr().err
    assert "quiet" not in error
    assert "loud" in error


def test_a_folder_that_cannot_be_written_is_no_reason_not_to_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    with logging_to(tmp_path, env={}):
        logging.getLogger("here").warning("still said")
    assert "still said" in capsys.readouterr().err
