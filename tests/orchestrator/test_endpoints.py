"""The model asked through each of the SDK's clients, over real connections on this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from orchestrator.errors import ConfigError, ModelError, ModelRefusedKey
from orchestrator.messages import Message, Request, Text
from orchestrator.models.claude import ClaudeModel
from orchestrator.models.endpoints import Endpoint, require
from simulator.serving import Settings, running

pytestmark = pytest.mark.anyio

REQUEST = Request(
    model="claude-opus-5-5",
    max_tokens=100,
    tools=(),
    system="",
    messages=(Message(role="user", content=(Text(text="hello"),)),),
)
AWS = {"aws_region": "us-east-1", "aws_access_key": "a", "aws_secret_key": "s"}
VERTEX = {"region": "us-east5", "project_id": "p", "access_token": "t"}


async def silent(_: object) -> None:
    pass


@contextmanager
def refusing() -> Generator[tuple[str, list[bytes]]]:
    """Refuse everybody's key, and keep the heads of their requests."""
    heard: list[bytes] = []
    door = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                guest, _ = door.accept()
            except OSError:
                return
            with guest:
                guest.settimeout(20)
                heard.append(guest.recv(65536))
                guest.sendall(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}", heard
    finally:
        door.close()


@pytest.mark.parametrize(
    "endpoint",
    [Endpoint(), Endpoint(aiohttp=True), Endpoint("foundry")],
    ids=["plain", "aiohttp", "foundry"],
)
async def test_a_messages_api_answers_through_each_client_that_speaks_it_as_it_is(endpoint: Endpoint) -> None:
    async with running(Settings()) as url:
        model = ClaudeModel(Endpoint(endpoint.provider, url, api_key="k", aiohttp=endpoint.aiohttp))
        answer = await model.ask(REQUEST, silent)
        await model.close()
    assert answer.stop == "done"
    assert "simulator" in answer.message.text


@pytest.mark.parametrize(
    ("provider", "options", "line", "needs"),
    [
        ("bedrock", AWS, b"POST /model/claude-opus-5-5/invoke-with-response-stream ", "boto3"),
        ("aws", AWS | {"workspace_id": "w"}, b"POST /v1/messages ", "boto3"),
        (
            "vertex",
            VERTEX,
            b"POST /projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-5-5",
            "google.auth",
        ),
    ],
)
async def test_each_cloud_is_asked_at_its_own_address(provider, options, line: bytes, needs: str) -> None:
    if not installed(needs):
        pytest.skip(f"the package {needs} comes with the extra [{provider}] alone")
    with refusing() as (url, heard):
        model = ClaudeModel(Endpoint(provider, url, options=options))
        with pytest.raises(ModelRefusedKey):
            await model.ask(REQUEST, silent)
        await model.close()
    assert heard[0].startswith(line)
    assert b"uthorization: " in heard[0]


def installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


async def test_a_proxy_is_asked_in_the_endpoints_place() -> None:
    with refusing() as (url, heard):
        model = ClaudeModel(Endpoint(base_url="http://api.invalid", api_key="k", proxy=url))
        with pytest.raises(ModelError):
            await model.ask(REQUEST, silent)
        await model.close()
    assert heard[0].startswith(b"POST http://api.invalid/v1/messages ")


async def test_an_unsigned_request_carries_no_credential() -> None:
    with refusing() as (url, heard):
        model = ClaudeModel(Endpoint(base_url=url, signed=False))
        with pytest.raises(ModelRefusedKey):
            await model.ask(REQUEST, silent)
        await model.close()
    assert b"authorization" not in heard[0].lower()


async def test_options_that_a_client_does_not_take_are_an_error_of_the_config() -> None:
    for endpoint in (Endpoint(options={"no_such": "x"}), Endpoint("foundry")):
        with pytest.raises(ConfigError, match=r"model\.options"):
            await ClaudeModel(endpoint).ask(REQUEST, silent)


def test_a_package_that_is_missing_is_named_with_the_command_that_brings_it() -> None:
    with pytest.raises(ConfigError, match=r"pip install 'mcp-orchestrator\[bedrock\]'"):
        require("no_such_package.inside", "The provider 'bedrock'", "bedrock")
    require("json", "Nothing", "none")
