"""What goes wrong in somebody's first minutes: an address mistyped, a key pasted with its line break, a slow server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.journeys.stage import PATIENCE_S, Desk, simulator


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_BASE_URL", "localhost:8787"),
        ("ANTHROPIC_BASE_URL", "http://"),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:port"),
        ("ANTHROPIC_API_KEY", "sk-1\nsk-2"),
        ("ANTHROPIC_AUTH_TOKEN", " sk-1"),
    ],
    ids=["no scheme", "no host", "no port", "a key of two lines", "a token with a space"],
)
def test_what_could_not_even_be_sent_is_named_and_not_tried(desk: Desk, name: str, value: str) -> None:
    done = desk.run("ask", "hello", env={"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", name: value})
    assert done.code == 2, done
    assert name in done.err, done
    assert "asking again" not in done.err, done
    assert "sk-1" not in done.err, "a key is never shown"


@pytest.mark.parametrize("words", [("ask",), ("chat",)], ids=["ask", "chat"])
def test_bytes_that_are_no_text_are_replaced_and_the_rest_is_understood(desk: Desk, words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator", *words],
        cwd=desk.folder,
        env=desk.environment(),
        input=b"list the files here \xff\xfe\n",
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done
    assert b"prices.csv" in done.stdout, done


def test_an_argument_that_is_no_text_is_understood_as_far_as_it_is(desk: Desk) -> None:
    done = desk.run("ask", "list the files here \udcff")
    assert done.code == 0, done
    assert "prices.csv" in done.out, done


def test_a_server_that_never_answers_is_named_with_the_next_step(desk: Desk) -> None:
    silent = {"command": sys.executable, "args": ["-c", "import time; print('hello', flush=True); time.sleep(600)"]}
    done = desk.run("--config", desk.configure({"silent": silent}), "ask", "hello", "--wait", "0.5")
    assert done.code == 0, done
    assert "silent has been starting for" in done.err, done
    assert "--wait" in done.err, done


def test_a_model_that_does_not_exist_is_told_with_the_way_to_choose_another(desk: Desk) -> None:
    done = desk.run("ask", "hello", "--model", "claude-of-tomorrow")
    assert done.code == 3, done
    assert "claude-of-tomorrow" in done.err, done
    assert "--model NAME" in done.err, done


def test_of_a_proxys_web_page_only_that_it_is_one_is_shown(desk: Desk) -> None:
    with simulator("--fault", "502") as url:
        done = desk.run("ask", "hello", env={"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": "k"})
    assert done.code == 0, done
    assert "502: a web page" in done.err, done
    assert "<html" not in done.err, done
