"""What the operator may write as a source, and what is never told of it."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import pytest

from servers.database.server import PROGRAM, sources_of, written
from servers.database.sources import BadSource, Source, distinct, parse
from servers.serving import CannotServe
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import asking, data_folder, refusal, sqlite_file

SECRET = "tops3cret"


def options(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    PROGRAM.add_options(parser)
    return parser.parse_args(line)


def test_a_source_is_a_file_an_address_or_a_folder_with_a_name_and_rights(tmp_path: Path) -> None:
    file, folder = sqlite_file(tmp_path / "shop data.db"), data_folder(tmp_path / "files")
    path = str(file.resolve())
    assert parse(str(file)) == Source("shop_data", "sqlite", path)
    assert parse(f"{file}:rw") == Source("shop_data", "sqlite", path, writable=True)
    assert parse(f"s={file}:ro") == Source("s", "sqlite", path)
    assert parse(f"s=sqlite://{str(file).replace(' ', '%20')}") == Source("s", "sqlite", path)
    assert parse(f"sqlite:{file}").target == path
    address = "postgresql://u:p@h/sales?sslmode=require"
    assert parse(address) == Source("sales", "postgresql", address)
    assert parse(f"main={address}:rw") == Source("main", "postgresql", address, writable=True)
    assert parse(f"duckdb:{folder}") == Source("files", "duckdb", str(folder.resolve()))


@pytest.mark.parametrize(
    "text",
    ["none.db", "mysql://u@h/d", "http://x", "duckdb:/none", "", "x=", "sqlite:///none.db", f"duckdb:{Path.cwd()}:rw"],
)
def test_a_source_that_cannot_be_is_refused_with_the_forms_that_can(text: str) -> None:
    with pytest.raises(BadSource) as wrong:
        parse(text)
    assert str(wrong.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadSource, match="not a SQLite database"):
        parse(str(tmp_path / "a.csv"))


def test_two_sources_of_one_name_are_told(tmp_path: Path) -> None:
    source = parse(str(sqlite_file(tmp_path / "a.db")))
    with pytest.raises(BadSource, match="Two sources are called a"):
        distinct([source, source])
    with pytest.raises(BadSource, match="No database to serve"):
        distinct([])


def test_a_file_of_sources_keeps_passwords_off_the_command_line(tmp_path: Path) -> None:
    listing = tmp_path / "dsn"
    listing.write_text(f"# ours\nmain=postgresql://u:{SECRET}@h/d\n\n  other=postgresql://u:{SECRET}@h/e:rw  \n")
    lines = written(options("--dsn-file", str(listing)))
    assert [parse(line).name for line in lines] == ["main", "other"]
    with pytest.raises(CannotServe, match="--dsn-file"):
        PROGRAM.build(options("--dsn-file", str(tmp_path / "none")))


def test_the_address_in_the_environment_is_used_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@h/d")
    assert written(options()) == ["postgresql://u@h/d"]
    assert written(options("a.db")) == ["a.db"]
    assert written(options("--demo", str(tmp_path / "d.db"))) == []
    with pytest.raises(CannotServe, match=r"--demo takes a path, and 'shop=a\.db' is a source"):
        sources_of(options("--demo", "shop=a.db"))


@pytest.mark.parametrize("line", [["--timeout", "0"], ["--timeout", "31"], ["--max-bytes", "1"], []])
def test_options_that_cannot_be_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str]) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    source = [str(sqlite_file(tmp_path / "a.db"))] if line else []
    with pytest.raises(CannotServe):
        PROGRAM.build(options(*source, *line))


@pytest.mark.anyio
async def test_no_password_is_ever_told(caplog: pytest.LogCaptureFixture) -> None:
    source = parse(f"d=postgresql://someone:{SECRET}@127.0.0.1:1/d")
    assert SECRET not in repr(source)
    caplog.set_level(logging.DEBUG)
    async with asking(source) as client:
        for tool, arguments in (("db_query", {"sql": "SELECT 1"}), ("db_schema", {}), ("db_profile", {"table": "x"})):
            said = await refusal(client, tool, arguments)
            assert said.startswith("unavailable: ")
            assert SECRET not in said
            assert "127.0.0.1" not in said
        assert SECRET not in str(await client.list_tools())
        assert client.instructions is not None
        assert SECRET not in client.instructions
    assert SECRET not in caplog.text
    listed = PROGRAM.posture(options(f"d=postgresql://someone:{SECRET}@127.0.0.1:1/d"))
    assert listed["sources"] == [{"name": "d", "dialect": "postgresql", "writable": False}]
    assert SECRET not in str(listed)


def test_a_superuser_is_refused_at_start_and_the_right_role_is_told(postgres_server: Postgres) -> None:
    with pytest.raises(CannotServe, match=r"superuser.*\n.*CREATE ROLE mcp_reader") as refused:
        PROGRAM.build(options(f"d={postgres_server.mighty}"))
    assert postgres_server.socket not in str(refused.value)


def test_a_server_that_does_not_answer_is_no_reason_not_to_start() -> None:
    assert PROGRAM.build(options("d=postgresql://someone@127.0.0.1:1/d"))
