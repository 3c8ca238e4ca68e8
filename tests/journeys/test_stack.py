"""docker-compose.yml: what it starts does start, talks to each other, and is confined as it says."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
import pytest
import yaml

from tests.journeys import composed
from tests.journeys.composed import FILE, HOUSE, Composed
from tests.journeys.stack import LISTENING, Stack, started
from tests.journeys.stage import Done, calls, of_type, pages, recorded

SERVERS = ("files", "database", "fetch")
CITY = "SELECT city, name FROM customers WHERE country = 'Ireland'"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stack]:
    """The running stack, over a folder with one note; fetch may read pages on loopback, which is all a test has."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "tea.md").write_text("# Tea\n\nSencha wants 70 degrees.\n")
    with started({"FILES_DIR": str(folder)}, {"fetch": ("--allow-cidr=127.0.0.0/8",)}) as running:
        yield running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "news.html").write_text("<html><body><h1>News</h1><p>The kettle boils at noon.</p></body></html>")
    with pages(folder) as url:
        yield url


@pytest.fixture(scope="module")
def file() -> Composed:
    return composed.read({})


def ask(stack: Stack, words: str, **env: str) -> Done:
    return talk(stack, "ask", "--stream-json", words, **env)


def talk(stack: Stack, *words: str, **env: str) -> Done:
    """Run the orchestrator and return how it ended: well, or the test fails with its log."""
    done = stack.complete("orchestrator", *words, env=env)
    log = stack.ground.folder / "conversations" / "logs" / "orchestrator.log"
    assert done.code == 0, f"{done}\n--- log\n{log.read_text() if log.exists() else 'none'}"
    return done


def outcome(done: Done) -> dict[str, object]:
    return json.loads(done.out.splitlines()[-1])


# ---------------------------------------------------------------------------------------------------------- it works


def test_one_turn_asks_all_three_servers_through_the_simulator(stack: Stack, site: str) -> None:
    message = calls(
        ("database__db_query", {"sql": CITY}),
        ("files__fs_read", {"path": "tea.md"}),
        ("fetch__web_fetch", {"url": f"{site}/news.html"}),
    )
    done = ask(stack, message, ANTHROPIC_BASE_URL=stack.url("simulator"), ANTHROPIC_API_KEY="simulator")
    assert outcome(done)["simulated"] is False, "the endpoint was named: it is asked like any other"
    results = of_type(recorded(done), "tool_finished")
    assert len(results) == 3, done
    text = json.dumps(results)
    assert "Siobhan Kelly" in text, "a row of the sample shop"
    assert "Sencha wants 70 degrees." in text, "the file's words"
    assert "The kettle boils at noon." in text, "the page's words"
    assert "Siobhan Kelly" in str(outcome(done)["text"]), "the answer is made of the results"


def test_without_a_key_a_simulator_answers_and_says_so(stack: Stack) -> None:
    said = outcome(ask(stack, "How many customers are there in the database?"))
    assert said["simulated"] is True
    with owner(stack) as connection:
        row = connection.execute("SELECT count(*) FROM customers").fetchone()
    assert row is not None
    assert str(row[0]) in str(said["text"])


def test_the_config_connects_every_server(stack: Stack) -> None:
    done = talk(stack, "servers", "--json")
    states = {one["name"]: one["state"] for one in json.loads(done.out)}
    assert states == dict.fromkeys(SERVERS, "ready")


@pytest.mark.parametrize("name", sorted(LISTENING))
def test_the_health_check_of_a_running_service_says_yes(stack: Stack, name: str) -> None:
    assert stack.healthy(name)


def test_the_health_check_of_a_service_that_does_not_answer_says_no(stack: Stack) -> None:
    service = stack.services["files"]
    line = stack.ground.program(service, *service.health)
    nowhere = [re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", word) for word in line]
    assert subprocess.run(nowhere, capture_output=True, timeout=60, check=False).returncode != 0


# ------------------------------------------------------------------------------------------------- who is let in


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_lets_nobody_in_without_its_own_token(stack: Stack, name: str) -> None:
    others = [stack.secret(other, "token") for other in SERVERS if other != name]
    assert [status(stack, name, token) for token in ("", "wrong-token-0123456789", *others)] == [401] * 4
    assert status(stack, name, stack.secret(name, "token")) == 200


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_answers_to_its_name_in_the_stack_and_to_no_other(stack: Stack, name: str) -> None:
    token = stack.secret(name, "token")
    assert status(stack, name, token, host=f"{name}:8000") == 200
    assert status(stack, name, token, host="evil.example:8000") == 421


def status(stack: Stack, name: str, token: str, host: str = "") -> int:
    """Return the HTTP status of an `initialize` sent to a server."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    headers |= {"Host": host} if host else {}
    request = Request(stack.url(name, "/mcp"), json.dumps(INITIALIZE).encode(), headers)
    try:
        with urlopen(request, timeout=20) as answer:
            return answer.status
    except HTTPError as refused:
        with refused:
            return refused.code


# ----------------------------------------------------------------------------------------- the database's plain role


def owner(stack: Stack) -> psycopg.Connection:
    folder, port = stack.ground.folder / "postgres", stack.ground.ports["postgres"]
    return psycopg.connect(f"host={folder} port={port} user=postgres dbname=shop", autocommit=True)


def reader(stack: Stack, database: str = "shop", password: str = "") -> psycopg.Connection:
    secret = password or stack.secret("postgres", "reader")
    port = stack.ground.ports["postgres"]
    return psycopg.connect(
        host="127.0.0.1", port=port, user="mcp_reader", password=secret, dbname=database, autocommit=True
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO customers VALUES (99, 'x', 'x', 'x', 'x', now())",
        "UPDATE products SET price = 1",
        "DELETE FROM orders",
        "TRUNCATE order_items",
        "DROP TABLE customers",
        "CREATE TABLE mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "CREATE SCHEMA mine",
        "COPY customers TO '/tmp/stolen'",
        "COPY customers TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_advisory_lock(1)",
        "SELECT passwd FROM pg_shadow",
        "SET temp_file_limit = -1",
        "SET ROLE postgres",
        "ALTER ROLE mcp_reader SUPERUSER",
    ],
)
def test_the_reader_is_refused_by_the_database_itself(stack: Stack, statement: str) -> None:
    with reader(stack) as connection:
        connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_a_session_of_the_reader_starts_with_its_limits(stack: Stack) -> None:
    expected = {
        "default_transaction_read_only": "on",
        "statement_timeout": "30s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "1min",
        "temp_file_limit": "256MB",
    }
    with reader(stack) as connection:
        rows = connection.execute("SELECT name, current_setting(name) FROM pg_settings").fetchall()
    assert expected.items() <= dict(rows).items()


def test_the_reader_needs_its_password_and_sees_one_database(stack: Stack) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        reader(stack, password="wrong")
    for database in ("postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            reader(stack, database)


def test_tables_that_the_owner_adds_later_can_be_read(stack: Stack) -> None:
    with owner(stack) as connection:
        connection.execute("CREATE TABLE later AS SELECT 42 AS answer")
    with reader(stack) as connection:
        assert connection.execute("SELECT answer FROM later").fetchone() == (42,)


# ------------------------------------------------------------------------------------------------------- the secrets


def test_secrets_are_made_once_and_only_their_services_can_read_them(stack: Stack) -> None:
    folder = stack.ground.folder / "secrets"
    before = {path: path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}
    assert [str(path.relative_to(folder)) for path in before] == [
        "database/sources", "database/token", "fetch/token", "files/token",
        "orchestrator/tokens", "postgres/owner", "postgres/reader",
    ]  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o440}
    assert stack.complete("secrets").code == 0
    assert before == {path: path.read_text() for path in before}, "a second start changes nothing"
    secrets = [text for path, text in before.items() if path.name in ("token", "owner", "reader")]
    assert len(set(secrets)) == 5
    assert min(len(text.strip()) for text in secrets) >= 32


def test_another_database_replaces_the_sample(stack: Stack, tmp_path: Path) -> None:
    copy = tmp_path / "secrets"
    shutil.copytree(stack.ground.folder / "secrets", copy)
    script = str(HOUSE / "deploy" / "stack" / "make_secrets.py")
    own = "own=postgresql://me:pw@db.example/own"
    subprocess.run([sys.executable, script, str(copy)], env={"DATABASE_SOURCE": own}, timeout=60, check=True)
    assert (copy / "database" / "sources").read_text() == f"{own}\n"


# -------------------------------------------------------------------------------------------------- what is promised


NAMES = sorted(yaml.safe_load(FILE.read_text())["services"])


@pytest.mark.parametrize("name", NAMES)
def test_a_container_is_a_plain_user_in_a_read_only_box(file: Composed, name: str) -> None:
    said = file.services[name].said
    user = str(said["user"]).split(":")[0]
    assert user.isdecimal()
    assert int(user) > 0
    assert said["read_only"] is True
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", said["mem_limit"])
    assert 0 < said["pids_limit"] <= 512
    assert any(place.startswith("/tmp:") for place in said["tmpfs"])
    denied = {"privileged", "cap_add", "pid", "ipc", "devices", "ports", "extra_hosts", "volumes_from", "userns_mode"}
    assert not denied & set(said)


@pytest.mark.parametrize("name", NAMES)
def test_a_service_that_stays_has_a_health_check_and_others_say_that_they_have_none(file: Composed, name: str) -> None:
    service = file.services[name]
    if name in LISTENING:
        assert service.health
        assert service.said["restart"] == "unless-stopped"
    else:
        assert service.said["healthcheck"] == {"disable": True}


def test_only_fetch_and_the_orchestrator_reach_out_and_each_alone(file: Composed) -> None:
    assert {network: file.on(network) for network in file.outward} == {"web": {"fetch"}, "model": {"orchestrator"}}
    assert {name for name in file.services if not file.services[name].networks} == {"secrets"}
    assert file.services["secrets"].said["network_mode"] == "none"


def test_no_server_reaches_another_and_only_the_database_server_reaches_the_database(file: Composed) -> None:
    assert file.neighbours("files") == {"orchestrator"}
    assert file.neighbours("fetch") == {"orchestrator"}
    assert file.neighbours("simulator") == {"orchestrator"}
    assert file.neighbours("database") == {"orchestrator", "postgres"}
    assert file.neighbours("postgres") == {"database"}


def test_what_is_mounted_is_read_only_but_the_data(file: Composed) -> None:
    written = {
        (name, mount.source) for name, one in file.services.items() for mount in one.mounts if not mount.read_only
    }
    made = {("secrets", f"{name}-secrets") for name in (*SERVERS, "postgres", "orchestrator")}
    assert written == made | {("postgres", "postgres-data"), ("orchestrator", "conversations")}
    assert "docker.sock" not in FILE.read_text()


def test_a_secret_is_mounted_where_it_is_used_and_nowhere_else(file: Composed) -> None:
    for volume in (volume for volume in file.volumes if volume.endswith("-secrets")):
        users = {name for name, one in file.services.items() for mount in one.mounts if mount.source == volume}
        assert users == {"secrets", volume.removesuffix("-secrets")}


def test_no_secret_stands_in_a_file(file: Composed) -> None:
    for service in file.services.values():
        for name, value in service.environment.items():
            if re.search(r"PASSWORD|TOKEN|KEY|SECRET", name):
                assert value.startswith("/secrets/"), f"{service.name}: {name}"
    config = json.loads((HOUSE / "deploy" / "orchestrator.json").read_text())
    for name, server in config["mcpServers"].items():
        assert server["headers"] == {"Authorization": f"Bearer ${{{name.upper()}_TOKEN}}"}
    assert "PASSWORD :'reader_password'" in (HOUSE / "deploy" / "postgres" / "init.sql").read_text()


def test_a_key_reaches_the_orchestrator_and_nobody_else() -> None:
    key = {"ANTHROPIC_API_KEY": "a-key", "ANTHROPIC_BASE_URL": "https://models.example"}
    given = {name: service.environment for name, service in composed.read(key).services.items()}
    assert key.items() <= given["orchestrator"].items()
    assert not [name for name, environment in given.items() if name != "orchestrator" and "a-key" in str(environment)]


def test_images_have_a_version(file: Composed) -> None:
    images = [service.said["image"] for service in file.services.values() if "image" in service.said]
    dockerfile = (HOUSE / "deploy" / "Dockerfile").read_text()
    images += ["python:" + found for found in re.findall(r"^ARG PYTHON=(.+)$", dockerfile, re.MULTILINE)]
    assert len(images) == 2
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+\S*", image) for image in images), images
    built = [name for name, service in file.services.items() if "build" in service.said]
    assert sorted([*built, "postgres"]) == NAMES


def test_the_image_runs_as_a_plain_user_and_holds_what_the_services_name(file: Composed) -> None:
    dockerfile = (HOUSE / "deploy" / "Dockerfile").read_text()
    runtime = dockerfile.split(" AS runtime")[1]
    assert re.findall(r"^USER (\S+)$", runtime, re.MULTILINE) == ["10001:10001"]
    assert "HEALTHCHECK" in runtime
    assert not re.search(r"apt-get|gcc|build-essential|pip install", runtime)
    targets = {service.said["build"]["target"] for service in file.services.values() if "build" in service.said}
    assert targets == {"server", "orchestrator"}
    assert targets <= set(re.findall(r" AS (\w+)$", dockerfile, re.MULTILINE))
    assert "COPY --chmod=0755 deploy/stack /opt/stack" in runtime
    words = [word for service in file.services.values() for word in (*service.entrypoint, *service.command)]
    for script in (word for word in words if word.startswith("/opt/stack/")):
        assert (HOUSE / "deploy" / script.removeprefix("/opt/")).is_file()


def test_the_overrides_that_the_docs_show_fit_the_file(file: Composed) -> None:
    page = (HOUSE / "docs" / "deploy.md").read_text()
    shown = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert len(shown) == 3
    for override in shown:
        known = file.internal | file.outward | set(override.get("networks", ()))
        for name, more in override["services"].items():
            assert set(more) <= {"volumes", "command", "networks", "ports"}
            assert set(more.get("networks", ())) <= known
            command = file.services[name].command
            changed = set(more.get("command", command)) ^ set(command)
            assert changed <= {"files=/srv/files", "files=/srv/files:rw"}


def test_compose_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("no docker client here")
    if subprocess.run([docker, "compose", "version"], capture_output=True, timeout=60, check=False).returncode:
        pytest.skip("this docker client has no compose plugin")
    line = [docker, "compose", "--file", str(FILE), "--profile", "chat", "config", "--quiet"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
