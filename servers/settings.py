"""The options that every server of the suite has: their command line, and the values it gives.

`CannotServe` is raised for whatever a server will not do; `servers.serving` prints it in one line and exits with 2.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from servers.tokens import Tokens, TokenTrouble

TOKEN_VARIABLE = "MCP_SERVER_TOKEN"
SHORTEST_KEY = 32
_HOST = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class CannotServe(Exception):
    """The options ask for something that this server will not do; the text says what to change."""


@dataclass(frozen=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only programs on this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True)
class Rate:
    """How many calls a principal may make: `per_second` for long, `burst` at once."""

    per_second: float
    burst: int


@dataclass(frozen=True)
class Settings:
    """How a server is served, whatever it serves."""

    address: Address | None
    """Where to listen; None is stdio."""
    hosts: tuple[str, ...]
    """Every `Host` that is answered, beside any port of it."""
    origins: tuple[str, ...]
    """Every `Origin` that is answered; requests without one always are."""
    tokens: Tokens
    state_keys: tuple[bytes, ...]
    secret_files: tuple[Path, ...]
    """Where tokens and keys are read from: no server may serve them."""
    stateless: bool
    sessions: int
    """HTTP sessions (of clients before 2026-07-28) that may be open at once."""
    deadline: float
    """Seconds that one call may take."""
    concurrency: int
    """Calls that run at once; others wait."""
    rate: Rate | None
    audit_full: bool
    log_level: str
    log_format: str
    check: bool


def add_options(line: argparse.ArgumentParser, concurrency: int) -> None:
    """Add the options of every server to a command line."""
    way = line.add_mutually_exclusive_group()
    way.add_argument("--stdio", action="store_true", help="serve on standard input and output (the default)")
    way.add_argument("--http", metavar="HOST:PORT", help="serve streamable HTTP there, at /mcp")
    add = line.add_argument_group("serving").add_argument
    add("--allow-host", action="append", default=[], metavar="HOST", help="another Host header to answer")
    add("--allow-origin", action="append", default=[], metavar="ORIGIN", help="a web page's origin that may call")
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"bearer tokens, one per line, or `name:token`; or ${TOKEN_VARIABLE}",
    )
    add(
        "--state-key-file", type=Path, metavar="FILE", help="keys that replicas share, one per line of 32 bytes or more"
    )
    add("--stateless", action="store_true", help="no HTTP sessions: only for several replicas and old clients")
    add("--sessions", type=int, default=1000, metavar="N", help="HTTP sessions open at once (1000)")
    add("--deadline", type=float, default=120.0, metavar="SECONDS", help="the longest that a call may take (120)")
    add("--concurrency", type=int, default=concurrency, metavar="N", help=f"calls at once ({concurrency})")
    add("--rate", metavar="N[/BURST]", help="calls per second and client (HTTP: 100/1000; stdio: none; 0 is none)")
    add("--audit-full", action="store_true", help="write the arguments themselves into the audit line")
    add("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    add("--log-format", default="human", choices=["human", "json"])
    add("--check", action="store_true", help="print the posture as JSON, serve nothing; exits with 1 if it is refused")


def settings(options: argparse.Namespace) -> Settings:
    """Return the settings of a parsed command line. Raises: `CannotServe`."""
    address = _address(options.http) if options.http else None
    tokens = _tokens(options.token_file)
    if address is not None and not address.loopback and not tokens:
        raise CannotServe(
            f"{address} can be reached from other machines, and nobody would be asked for a token."
            f" Pass --token-file or set {TOKEN_VARIABLE}, or listen on 127.0.0.1."
        )
    if not 0 < options.deadline <= 86_400:
        raise CannotServe("--deadline must be more than 0 and at most 86400 seconds.")
    if options.concurrency < 1 or options.sessions < 1:
        raise CannotServe("--concurrency and --sessions must be at least 1.")
    for host in options.allow_host:
        _refuse_no_host(host)
    for origin in options.allow_origin:
        _refuse_no_origin(origin)
    own = (f"[{address.host}]" if ":" in address.host else address.host,) if address and not _is_any(address) else ()
    return Settings(
        address=address,
        hosts=tuple(dict.fromkeys((*LOOPBACK, *own, *options.allow_host))),
        origins=tuple(options.allow_origin),
        tokens=tokens,
        state_keys=_state_keys(options.state_key_file),
        secret_files=tuple(file for file in (options.token_file, options.state_key_file) if file),
        stateless=options.stateless,
        sessions=options.sessions,
        deadline=options.deadline,
        concurrency=options.concurrency,
        rate=_rate(options.rate, http=address is not None),
        audit_full=options.audit_full,
        log_level=options.log_level,
        log_format=options.log_format,
        check=options.check,
    )


def _address(text: str) -> Address:
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise CannotServe(f"--http takes HOST:PORT, for example 127.0.0.1:8000, and not {text!r}.")
    return Address(host, int(port))


def _refuse_no_host(text: str) -> None:
    if not _HOST.fullmatch(text):
        raise CannotServe(
            f"--allow-host takes a name or an address, for example files.internal, and not {text!r}; every port of it"
            " is answered."
        )


def _refuse_no_origin(text: str) -> None:
    if not _ORIGIN.fullmatch(text):
        raise CannotServe(
            f"--allow-origin takes the origin of one web page, for example https://app.example, and not {text!r}."
            " `*` and `null` are those of pages nobody knows."
        )


def _is_any(address: Address) -> bool:
    return address.host in {"0.0.0.0", "::"}


def _tokens(file: Path | None) -> Tokens:
    text = _secret(file, "--token-file") if file else os.environ.get(TOKEN_VARIABLE, "")
    try:
        tokens = Tokens.parse(text)
    except TokenTrouble as trouble:
        raise CannotServe(f"{'--token-file' if file else TOKEN_VARIABLE}: {trouble}") from None
    if file and not tokens:
        raise CannotServe(f"--token-file {file} holds no token. Put one on a line of its own.")
    return tokens


def _state_keys(file: Path | None) -> tuple[bytes, ...]:
    if file is None:
        return ()
    keys = tuple(key for line in _secret(file, "--state-key-file").splitlines() if (key := line.strip().encode()))
    if not keys or any(len(key) < SHORTEST_KEY for key in keys) or len(set(keys)) != len(keys):
        raise CannotServe(
            f"--state-key-file {file} needs different keys of at least {SHORTEST_KEY} bytes, one per line."
        )
    return keys


def _secret(file: Path, option: str) -> str:
    try:
        text = file.read_text(encoding="utf-8")
        mode = file.stat().st_mode
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        raise CannotServe(f"{option} {file} cannot be read: {reason}.") from None
    if os.name == "posix" and mode & stat.S_IWOTH:
        raise CannotServe(f"{option} {file} can be written by everyone on this machine. Run `chmod o-w` on it.")
    return text


def _rate(text: str | None, *, http: bool) -> Rate | None:
    if text is None:
        return Rate(100.0, 1000) if http else None
    first, _, second = text.partition("/")
    try:
        per_second = float(first)
        burst = int(second) if second else max(1, round(per_second * 10))
    except (ValueError, OverflowError):
        raise CannotServe(f"--rate takes N or N/BURST, for example 10/50, and not {text!r}.") from None
    if not 0 <= per_second < 1e9 or burst < 1:
        raise CannotServe("--rate must not be negative, and its burst must be at least 1.")
    return Rate(per_second, burst) if per_second else None
