"""From what an attempt left behind to the report that a person can act on."""

from __future__ import annotations

import re
import shlex
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import httpx2
from mcp import MCPError
from mcp.types import CONNECTION_CLOSED
from pydantic import ValidationError

from orchestrator.config import ServerConfig
from orchestrator.tools.problems import CannotStart, Phase, Problem
from orchestrator.tools.trace import Trace

SECRET_OPTION = re.compile(r"(--?[\w-]*(?:key|token|secret|password|auth)[\w-]*)(=.*)?", re.IGNORECASE)
SHORTEST_SECRET = 8
BY_HAND = "Run the command by hand to see what it says."
STEPS = {
    "config": "before it was started",
    "spawn": "while it was started",
    "negotiate": "before it answered our first message",
    "list": "while it listed its tools",
    "auth": "while it checked our credentials",
    "call": "after it had been ready",
}


def diagnosed(name: str, config: ServerConfig, trace: Trace, error: Exception | None) -> Problem:
    """Return the report on an attempt that `error` ended, or that ended because nothing more came from the server."""
    phase, what, advice = cause(config, trace, flat(error))
    child = trace.child
    return Problem(
        server=name,
        phase=phase,
        what=hidden(what, config),
        target=shown(config),
        advice=advice,
        ended=child.outcome if child else "",
        lines=tuple(hidden(line, config) for line in child.tail.lines) if child else (),
    )


def cause(config: ServerConfig, trace: Trace, errors: list[BaseException]) -> tuple[Phase, str, str]:
    """Return phase, cause and next step; the most telling of several errors decides."""
    for error in errors:
        if isinstance(error, CannotStart):
            return error.phase, error.what, error.advice
    if trace.child and trace.child.outcome:
        return trace.phase, f"its process ended {STEPS[trace.phase]}", BY_HAND
    if config.url and trace.status >= 400:
        return of_status(trace)
    for error in errors:
        if isinstance(error, httpx2.TransportError):
            return of_transport(trace, error)
    if any(isinstance(error, TimeoutError) for error in errors):
        return of_silence(config, trace)
    for error in errors:
        if isinstance(error, MCPError) and error.code != CONNECTION_CLOSED:
            return trace.phase, f"it refused: {error.message} (code {error.code})", "Look into the server's own log."
        if isinstance(error, ValidationError):
            text = f"what it sent is not valid in the protocol: {str(error)[:300]}"
            return trace.phase, text, "Update the server; tell its authors."
    said = next((f": {type(error).__name__}: {error}" for error in errors if not isinstance(error, MCPError)), "")
    return (
        trace.phase,
        f"it closed the connection {STEPS[trace.phase]}{said}",
        BY_HAND if config.command else "Try again.",
    )


def of_status(trace: Trace) -> tuple[Phase, str, str]:
    """Return what an HTTP status means here."""
    match trace.status:
        case 401 | 403:
            what = f"it does not accept our credentials (HTTP {trace.status})"
            return "auth", what, 'Put a valid token into `headers` of this server, as "Authorization": "Bearer ...".'
        case 404 | 405:
            what = f"nothing speaks MCP at this path (HTTP {trace.status})"
            return trace.phase, what, "Check the path of `url`; it often ends in /mcp. Old servers need `type` sse."
        case 421:
            return trace.phase, "it does not serve this host name (HTTP 421)", "Allow the host of `url` at the server."
        case status:
            return trace.phase, f"it answers with HTTP {status}", "Look into the server's own log."


def of_transport(trace: Trace, error: httpx2.TransportError) -> tuple[Phase, str, str]:
    """Return what a failure below HTTP means here."""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return trace.phase, f"nothing answers at its address ({error})", "Start the server, or correct `url`."
    return trace.phase, f"the connection broke {STEPS[trace.phase]} ({type(error).__name__}: {error})", "Try again."


def of_silence(config: ServerConfig, trace: Trace) -> tuple[Phase, str, str]:
    """Return what it means that it did not answer in time."""
    seconds = f"{config.connect_timeout:g} seconds"
    if trace.stray:
        what = f"it prints other text than MCP messages on its standard output, and did not answer within {seconds}"
        return trace.phase, what, "Check that the command starts an MCP server on stdio, not a shell or a web server."
    what = f"it did not answer within {seconds}, {STEPS[trace.phase]}"
    return trace.phase, what, "If it only needs longer (a first download, say), raise its `connect_timeout`."


def flat(error: BaseException | None) -> list[BaseException]:
    """Return the errors in a group of groups, or the one."""
    if error is None:
        return []
    inner = cast("tuple[BaseException, ...]", getattr(error, "exceptions", ()))
    return [leaf for one in inner for leaf in flat(one)] or [error]


def shown(config: ServerConfig) -> str:
    """Return the command line or the address, without what looks like a secret."""
    if config.url:
        parts = urlsplit(config.url)
        query = "..." if parts.query else ""
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))
    words: list[str] = []
    for word in (config.command or "", *config.args):
        before = SECRET_OPTION.fullmatch(words[-1]) if words else None
        option = SECRET_OPTION.fullmatch(word)
        if before and not before[2] and not word.startswith("-"):
            words.append("***")
        else:
            words.append(f"{option[1]}=***" if option and option[2] else word)
    return hidden(shlex.join(words), config)


def hidden(text: str, config: ServerConfig) -> str:
    """Return the text without the values of the server's variables and headers, which may be keys."""
    for value in sorted({*config.env.values(), *config.headers.values()}, key=len, reverse=True):
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text
