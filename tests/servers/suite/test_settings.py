from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.settings import TOKEN_VARIABLE, CannotServe, Rate, Settings, add_options, settings
from servers.tokens import Tokens

TOKEN = "a-token-of-some-length"


def parsed(*argv: str) -> Settings:
    line = argparse.ArgumentParser()
    add_options(line, concurrency=8)
    return settings(line.parse_args(argv))


def test_without_options_a_server_is_served_on_stdio() -> None:
    found = parsed()
    assert (found.address, found.rate, found.concurrency, found.deadline) == (None, None, 8, 120.0)


@pytest.mark.parametrize("where", ["0.0.0.0:80", "192.168.1.5:80", "[::]:80", "example.com:80"])
def test_off_loopback_a_token_is_required(tmp_path: Path, where: str) -> None:
    with pytest.raises(CannotServe, match="nobody would be asked for a token"):
        parsed("--http", where)
    file = tmp_path / "tokens"
    file.write_text(f"# who\nalice:{TOKEN}\n")
    assert parsed("--http", where, "--token-file", str(file)).tokens


@pytest.mark.parametrize("where", ["127.0.0.1:80", "localhost:0", "[::1]:80", "127.8.9.1:80"])
def test_on_loopback_no_token_is_required(where: str) -> None:
    assert not parsed("--http", where).tokens


def test_only_names_of_this_machine_and_allowed_ones_are_answered(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(TOKEN)
    found = parsed("--http", "0.0.0.0:80", "--token-file", str(tmp_path / "t"), "--allow-host", "files")
    assert found.hosts == ("127.0.0.1", "localhost", "[::1]", "files")
    assert found.origins == ()


@pytest.mark.parametrize(
    "argv",
    [
        ("--http", "8000"),
        ("--http", "host:"),
        ("--http", ":80"),
        ("--http", "h:70000"),
        ("--http", "h:8x"),
        ("--deadline", "0"),
        ("--deadline", "-1"),
        ("--deadline", "nan"),
        ("--concurrency", "0"),
        ("--sessions", "0"),
        ("--rate", "x"),
        ("--rate", "-1"),
        ("--rate", "1/0"),
        ("--rate", "inf"),
        ("--rate", "nan"),
        ("--token-file", "/nowhere"),
        ("--state-key-file", "/nowhere"),
        ("--http", "127.0.0.1:٣"),
        ("--allow-host", "*"),
        ("--allow-host", "http://files"),
        ("--allow-host", "files:8000"),
        ("--allow-origin", "*"),
        ("--allow-origin", "null"),
        ("--allow-origin", "app.example"),
        ("--allow-origin", "https://app.example/"),
        ("--allow-origin", ""),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(argv: tuple[str, str]) -> None:
    with pytest.raises(CannotServe, match=argv[0] if argv[0] != "--token-file" else "cannot be read"):
        parsed(*argv)


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "short\n", f"{TOKEN}\n{TOKEN}\n", f"a:{TOKEN}\na:{TOKEN}2\n", "ä" * 20]
)
def test_a_token_file_that_protects_nothing_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(text, encoding="utf-8")
    with pytest.raises(CannotServe) as refusal:
        parsed("--http", "0.0.0.0:80", "--token-file", str(tmp_path / "t"))
    assert TOKEN not in str(refusal.value)


def test_a_token_file_that_everyone_can_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(TOKEN)
    (tmp_path / "t").chmod(0o646)
    with pytest.raises(CannotServe, match="chmod"):
        parsed("--token-file", str(tmp_path / "t"))


@pytest.mark.parametrize("text", ["", "short\n", f"{'k' * 32}\n{'k' * 32}\n"])
def test_state_keys_must_be_long_and_different(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)
    with pytest.raises(CannotServe, match="at least 32 bytes"):
        parsed("--state-key-file", str(tmp_path / "k"))


def test_the_token_may_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert parsed("--http", "0.0.0.0:80").tokens.principal(f"Bearer {TOKEN}") == "token-1"


@pytest.mark.parametrize(
    ("text", "rate"), [("5", Rate(5, 50)), ("0.05", Rate(0.05, 1)), ("10/3", Rate(10, 3)), ("0", None)]
)
def test_a_rate_is_calls_per_second_and_a_burst(text: str, rate: Rate | None) -> None:
    assert parsed("--http", "127.0.0.1:0", "--rate", text).rate == rate


def test_over_http_there_is_a_rate_from_the_start() -> None:
    assert parsed("--http", "127.0.0.1:0").rate == Rate(100, 1000)


@given(st.text(max_size=60))
def test_only_the_token_itself_names_its_principal(header: str) -> None:
    tokens = Tokens.parse(f"alice:{TOKEN}\nbob:{TOKEN}2\n")
    assert tokens.principal(header) is None
    assert tokens.principal(f"Bearer {TOKEN[:-1]}") is None
    assert tokens.principal(f"Basic {TOKEN}") is None
    assert tokens.principal(None) is None
    assert tokens.principal(f"bearer  {TOKEN}") == "alice"
    assert tokens.principal(f"Bearer {TOKEN}2") == "bob"
