"""What `--check` prints."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.servers.suite.running import PATIENCE, SAMPLE

TOKEN = "a-token-nobody-may-see"


def check(*argv: str) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run([*SAMPLE, "--check", *argv], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_the_posture_says_who_may_call_what_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(f"alice:{TOKEN}")
    options = ("--http", "0.0.0.0:8000", "--token-file", str(tmp_path / "tokens"), "--allow-host", "files")
    code, posture, _ = check("--notes", str(tmp_path), *options)
    assert (code, posture["ok"], posture["server"]) == (0, True, "sample")
    assert posture["transport"]["hosts"] == ["127.0.0.1", "localhost", "[::1]", "files"]
    assert posture["transport"]["principals"] == ["alice"]
    assert posture["writing_tools"] == ["remove"]
    assert posture["own"] == {"notes": tmp_path.name}
    assert any("unencrypted" in warning for warning in posture["warnings"])
    assert TOKEN not in json.dumps(posture)


def test_on_stdio_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    code, posture, errors = check("--notes", str(tmp_path))
    assert (code, posture["transport"], posture["warnings"], errors) == (0, {"kind": "stdio"}, [], "")


def test_a_posture_that_is_refused_says_why_and_exits_with_1(tmp_path: Path) -> None:
    code, posture, errors = check("--notes", str(tmp_path), "--http", "0.0.0.0:8000")
    assert (code, posture["ok"], errors) == (1, False, "")
    assert "nobody would be asked for a token" in posture["refused"]


def test_an_address_for_all_that_answers_to_no_name_of_theirs_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(TOKEN)
    common = ("--notes", str(tmp_path), "--http", "0.0.0.0:8000", "--token-file", str(tmp_path / "tokens"))
    warned = [
        any("--allow-host" in each for each in check(*common, *more)[1]["warnings"])
        for more in ((), ("--allow-host", "files"))
    ]
    assert warned == [True, False]
