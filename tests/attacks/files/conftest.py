"""The ground on which the files server is attacked: a served folder, a secret beside it, and an eye on both."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult

from servers.files.server import build


@dataclass(frozen=True)
class Ground:
    """`root` is served for writing; `outside` holds a secret that nobody may read, change or find out about."""

    base: Path
    root: Path
    outside: Path
    canary: str = field(default_factory=lambda: f"CANARY-{secrets.token_hex(12)}")

    def state(self) -> dict[str, bytes]:
        """Everything that lies outside the root, links not followed."""
        found: dict[str, bytes] = {}
        for folder, folders, files in os.walk(self.base):
            folders[:] = [name for name in folders if Path(folder, name) != self.root]
            for name in files:
                path = Path(folder, name)
                found[str(path)] = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            found.update({f"{folder}/{name}/": b"" for name in folders})
        return found

    def make(self, name: str | bytes, start: bytes = b"", size: int = 0) -> None:
        """Make a file in the root that begins with `start` and is `size` bytes long, without taking room."""
        with open(os.path.join(os.fsencode(self.root), os.fsencode(name)), "wb") as file:
            file.write(start)
            if size:
                file.truncate(size)


@dataclass(frozen=True)
class Answer:
    """What an attack was answered."""

    is_error: bool
    text: str
    """All text blocks, or the message of a protocol error."""
    structured: dict[str, Any]
    meta: dict[str, Any]
    kinds: list[str]
    """The types of the content blocks."""

    @property
    def code(self) -> str:
        """The word before the colon of an error."""
        assert self.is_error, self.text
        return self.text.partition(":")[0]


@dataclass(frozen=True)
class Attacker:
    """A client that calls tools and looks, after each call, at what must never happen."""

    client: Client
    ground: Ground
    before: dict[str, bytes]

    async def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool: in time, without a word of the secret or of the host, and with nothing outside changed."""
        with anyio.fail_after(20):
            try:
                result = await self.client.call_tool(tool, arguments)
            except MCPError as error:
                answer = Answer(True, error.message, {}, {}, [])
                wire = str(error)
            else:
                texts = [block.text for block in result.content if block.type == "text"]
                answer = Answer(
                    bool(result.is_error),
                    "\n".join(texts),
                    result.structured_content or {},
                    dict(result.meta or {}),
                    [block.type for block in result.content],
                )
                wire = json.dumps(result.model_dump(mode="json"))
        assert self.ground.canary not in wire, f"{tool} leaked the secret"
        if not arguments_name_host(arguments, self.ground):
            assert str(self.ground.base) not in wire, f"{tool} named a path of the host: {wire[:500]}"
        assert self.ground.state() == self.before, f"{tool} changed something outside"
        return answer

    async def works(self) -> None:
        """The next call works."""
        answer = await self.call("fs_read", path="ok.txt")
        assert not answer.is_error
        assert "fine" in answer.text


def arguments_name_host(arguments: dict[str, Any], ground: Ground) -> bool:
    """Whether the caller spelled the host's path itself: its own words may come back in an error."""
    return str(ground.base) in json.dumps(arguments)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A served folder `A` with links of every kind, and a secret in `O` beside it."""
    made = Ground(tmp_path, tmp_path / "A", tmp_path / "O")
    for folder in ("A/sub", "A_evil", "O/dir"):
        (tmp_path / folder).mkdir(parents=True)
    (made.root / "ok.txt").write_text("fine\n")
    for secret in ("O/secret.txt", "A_evil/secret.txt", "O/dir/secret.txt"):
        (tmp_path / secret).write_text(made.canary + "\n")
    (made.root / "link_file").symlink_to(made.outside / "secret.txt")
    (made.root / "link_dir").symlink_to(made.outside)
    (made.root / "link_relative").symlink_to("../O/secret.txt")
    (made.root / "link_chain").symlink_to("link_middle")
    (made.root / "link_middle").symlink_to("link_file")
    (made.root / "dangling").symlink_to(made.outside / "new.txt")
    (made.root / "sub" / "up").symlink_to("../..")
    (made.root / "self").symlink_to("self")
    return made


async def agree(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """The user who agrees to everything."""
    return ElicitResult(action="accept", content={"agree": True})


@pytest.fixture(params=["auto", "legacy"])
async def attacker(request: pytest.FixtureRequest, ground: Ground) -> AsyncIterator[Attacker]:
    """A client of each era, with write access and a user who agrees to everything."""
    server = build([f"A={ground.root}:rw"])
    async with Client(server, mode=request.param, elicitation_callback=agree) as client:
        yield Attacker(client, ground, ground.state())
