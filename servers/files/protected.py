"""Names that stay closed even inside a served folder: secrets are not read, what runs by itself is not written.

A tool that may write `.git/config` or `.vscode/tasks.json` runs programs at the user's next click; that is why writing
is refused for more names than reading. Spellings that another file system takes for the same name (`.GIT`, `.git.`,
`git~1`, a name with an invisible character) count as the name itself. Source for the spellings: git's path.c,
`core.protectHFS` and `core.protectNTFS`.
"""

from __future__ import annotations

import functools
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from servers.files.errors import Denied

CLOSED = tuple(
    """
    .ssh .gnupg .aws .azure .kube .docker .gcloud .password-store authorized_keys known_hosts
    .env .env.* .envrc .netrc _netrc .npmrc .yarnrc .yarnrc.yml .pypirc .pgpass .my.cnf .htpasswd
    .git-credentials .vault-token *.pem *.p12 *.pfx *.kdbx *.keystore id_rsa* id_dsa* id_ecdsa* id_ed25519*
    """.split()  # noqa: SIM905 -- a list of words reads better than one of quotes
)
"""Neither read nor written."""
UNWRITTEN = tuple(
    """
    .git .hg .svn .bzr .jj .gitconfig .gitmodules .gitattributes .pre-commit-config.yaml .husky
    .vscode .idea .fleet .zed .devcontainer .devcontainer.json
    .mcp.json mcp.json orchestrator.json .orchestrator .claude .claude.* .claude-* claude_desktop_config.json
    .cursor .cursor* .windsurf* .codex .gemini .continue
    .bashrc .bash_profile .bash_login .bash_logout .bash_aliases .profile .zshrc .zshenv .zprofile .zlogin .zlogout
    .inputrc .vimrc .nvimrc .exrc .emacs .emacs.d .xinitrc .xprofile .xsession .config .local .cargo .condarc
    .direnv .tool-versions .mise.toml sitecustomize.py usercustomize.py .trash
    """.split()  # noqa: SIM905
)
"""Read, but not written: programs obey them unasked."""
OPEN = (".env.example", ".env.sample", ".env.template", ".env.dist", ".env.defaults")
"""Samples that hold no secret by custom."""
UNREAD_IN_GIT = ("config", "config.worktree", "credentials")
"""Inside `.git`: remote addresses with passwords in them."""

_SHORT_NAME = re.compile(r"^(gi7eba|git|\.git)~\d+$")  # what FAT and NTFS call `.git` besides


@functools.lru_cache(maxsize=1024)  # walks ask again and again for the same names of folders
def plain(name: str) -> str:
    """Return `name` as the most forgiving file system would read it, for comparison only."""
    if name.isascii() and name.isprintable():
        folded = name.casefold()
    else:
        seen = "".join(letter for letter in name if unicodedata.category(letter) not in ("Cf", "Cc"))
        folded = unicodedata.normalize("NFKC", seen).casefold()
    if ":" in folded or folded[-1:] in (".", " "):
        folded = folded.split(":", 1)[0].rstrip(". ") or folded
    return ".git" if "~" in folded and _SHORT_NAME.match(folded) else folded


class _Names:
    """Names, beginnings (`x*`) and endings (`*x`), looked up without a pattern: walks ask for every file."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._whole = frozenset(each for each in patterns if "*" not in each)
        self._starts = tuple(each[:-1] for each in patterns if each.endswith("*"))
        self._ends = tuple(each[1:] for each in patterns if each.startswith("*"))

    def __contains__(self, name: str) -> bool:
        return name in self._whole or name.startswith(self._starts) or name.endswith(self._ends)


_CLOSED, _UNWRITTEN = _Names(CLOSED), _Names(UNWRITTEN)


@dataclass(frozen=True)
class Protection:
    """Which names of a folder stay closed; `allowed` are patterns that the operator opened again."""

    allowed: tuple[str, ...] = ()

    def closed_to_reading(self, path: str) -> str | None:
        """Return the part of `path` (relative, `/` between parts) that keeps it from being read, or None."""
        parts = path.split("/")
        for number, part in enumerate(parts):
            name = plain(part)
            if name in _CLOSED and not self._is_open(name):
                return part
            if name == ".git" and number + 1 < len(parts) and plain(parts[-1]) in UNREAD_IN_GIT:
                return f"{part}/{parts[-1]}"
        return None

    def closed_to_writing(self, path: str) -> str | None:
        """Return the part of `path` that keeps it from being written, or None."""
        for part in path.split("/"):
            name = plain(part)
            if (name in _CLOSED or name in _UNWRITTEN) and not self._is_open(name):
                return part
        return None

    def _is_open(self, name: str) -> bool:
        return name in OPEN or any(fnmatchcase(name, pattern.casefold()) for pattern in self.allowed)


def refuse_reading(rules: Protection, path: str) -> None:
    """Raise `Denied` when `path` is closed to reading."""
    if part := rules.closed_to_reading(path):
        raise Denied(f"{part!r} is a protected name", "It may hold secrets; ask the user for what you need from it.")


def refuse_writing(rules: Protection, path: str) -> None:
    """Raise `Denied` when `path` is closed to writing."""
    if part := rules.closed_to_writing(path):
        raise Denied(
            f"{part!r} is a protected name", "Programs obey it unasked; tell the user what to change there instead."
        )


def looks_like_git(directory: int, arriving: str = "") -> bool:
    """Say whether git would take this directory for a repository, with `arriving` written into it.

    A repository needs no `.git` around it: HEAD, objects and refs in any folder make git obey the config beside them.
    """
    return all(name == plain(arriving) or _has(directory, real) for name, real in _GIT_PARTS)


_GIT_PARTS = (("head", "HEAD"), ("objects", "objects"), ("refs", "refs"))


def _has(directory: int, name: str) -> bool:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)
