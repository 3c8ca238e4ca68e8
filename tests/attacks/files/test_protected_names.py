"""F40, F41 and their class: what programs obey is not written, what holds secrets is not read."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

# One era is enough here: what is attacked lies behind the protocol.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("attacker", ["auto"], indirect=True)]

UNWRITTEN = """
    .git/hooks/post-checkout .git/config .GIT/config .git./config .git\u200c/config .git::$INDEX_ALLOCATION/config
    git~1/config sub/.git/config .git .ssh/authorized_keys .env .env.local .ENV .vscode/tasks.json .idea/workspace.xml
    .mcp.json .bashrc .profile .zshrc .npmrc .pypirc .claude/settings.json .cursor/mcp.json .cursorrules
    .husky/pre-commit .gitmodules .gitattributes .docker/config.json .kube/config .aws/credentials .gnupg/gpg.conf
    .devcontainer/x.json
    orchestrator.json .envrc .trash/x key.pem id_ed25519 \uff0e\uff47\uff49\uff54/config
"""
"""The first two are F40 and F41."""
UNREAD = """
    .env .env.local .ENV sub/.env .git/config server.pem id_rsa id_ed25519.bak .npmrc .netrc .aws/credentials
"""


@pytest.mark.parametrize("path", UNWRITTEN.split())
async def test_what_programs_obey_is_not_written(attacker: Any, path: str) -> None:
    answer = await attacker.call("fs_write", path=path, content="[core]\n\tfsmonitor = touch PWNED\n", mkdirs=True)
    assert answer.code == "denied", answer.text
    assert not (attacker.ground.root / path).exists()
    moved = await attacker.call("fs_move", src="ok.txt", dst=path)
    assert moved.code in ("denied", "not_found"), moved.text
    copied = await attacker.call("fs_move", src="ok.txt", dst=path, copy=True)
    assert copied.code in ("denied", "not_found"), copied.text
    await attacker.works()


@pytest.mark.parametrize("path", UNREAD.split())
async def test_what_holds_secrets_is_not_read(attacker: Any, path: str) -> None:
    file = attacker.ground.root / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"token = {attacker.ground.canary}\n")
    (attacker.ground.root / "alias.txt").symlink_to(path)
    for spelling in (path, f"./{path}", f"sub/../{path}", "alias.txt"):
        assert (await attacker.call("fs_read", path=spelling)).code == "denied"
        assert (await attacker.call("fs_read", path=spelling, **{"as": "base64"})).code == "denied"
        assert (await attacker.call("fs_info", path=spelling, hash=True)).code == "denied"
        assert (await attacker.call("fs_move", src=spelling, dst="copy.txt", copy=True)).code == "denied"
        assert (await attacker.call("fs_move", src=spelling, dst="moved.txt")).code == "denied"
        assert (await attacker.call("fs_edit", path=spelling, edits=[{"old": "token", "new": "x"}])).code == "denied"
    for query in ("token", "CANARY"):
        found = await attacker.call("fs_search", query=query, hidden=True, ignored=True)
        assert found.structured["matches"] == []
    await attacker.works()


async def test_a_folder_that_holds_a_secret_is_not_copied(attacker: Any) -> None:
    (attacker.ground.root / "app").mkdir()
    (attacker.ground.root / "app" / ".env").write_text(attacker.ground.canary)
    assert (await attacker.call("fs_move", src="app", dst="plain", copy=True)).code == "denied"
    assert not (attacker.ground.root / "plain").exists()
    assert not list(attacker.ground.root.glob("*.mcp-new"))


async def test_no_repository_grows_without_its_dot(attacker: Any) -> None:
    """A folder with HEAD, objects and refs is a repository to git, and git obeys the config in it."""
    write = {"mkdirs": True, "content": "x"}
    bare = attacker.ground.root / "bare"
    refused = [
        (await attacker.call("fs_write", path=path, **write)).is_error
        for path in ("bare/objects/a", "bare/refs/a", "bare/config", "bare/HEAD", "bare/hooks/post-checkout")
    ]
    assert any(refused)
    ceiling = f"GIT_CEILING_DIRECTORIES={attacker.ground.base}"
    done = await anyio.run_process(["env", ceiling, "git", "rev-parse", "--git-dir"], cwd=bare, check=False)
    assert done.returncode != 0, "git takes the folder for a repository"


async def test_nothing_is_written_inside_a_bare_repository(attacker: Any) -> None:
    await anyio.run_process(["git", "init", "-q", "--bare", str(attacker.ground.root / "it.git")])
    before = (attacker.ground.root / "it.git" / "config").read_bytes()
    for path in ("it.git/config", "it.git/hooks/post-update", "it.git/hooks/new/x"):
        answer = await attacker.call("fs_write", path=path, content="x", mode="overwrite", mkdirs=True)
        assert answer.code == "denied", answer.text
    answer = await attacker.call("fs_edit", path="it.git/config", edits=[{"old": "[core]", "new": "[core]\n\tx=y"}])
    assert answer.code == "denied"
    assert (attacker.ground.root / "it.git" / "config").read_bytes() == before


@pytest.mark.parametrize("path", [".env.example", "environment.md", "git.md", "identity.md", ".gitignore", "pem.txt"])
async def test_names_that_only_look_alike_stay_open(attacker: Any, path: str) -> None:
    assert not (await attacker.call("fs_write", path=path, content="open\n")).is_error
    assert "open" in (await attacker.call("fs_read", path=path)).text
    assert (attacker.ground.root / path).read_text() == "open\n"
