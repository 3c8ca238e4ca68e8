"""The names under which tools are offered: `server__tool`, in the letters and the length that model APIs take.

A rule or a journal may rely on them: a name depends on the server's and the tool's own name and on real collisions
only, never on the order in which servers answer.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable

LONGEST = 64
"""Shorter than what the Messages API takes (128), because other providers stop at 64."""
HEAD, HASH = 36, 8
TAIL = LONGEST - HEAD - HASH - 2
ODD = re.compile(r"[^a-zA-Z0-9_-]")


def logical(server: str, tool: str) -> str:
    """Return the full name of a tool, of any length, with any letters."""
    return f"{server}__{tool}"


def name_all(tools: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the offered name of each (server, tool); no two are equal, whatever the servers call their tools."""
    names: dict[tuple[str, str], str] = {}
    waiting = sorted(set(tools))
    salt = 0
    while waiting:
        wanted: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for tool in waiting:
            wanted[offered(*tool, salt=salt)].append(tool)
        taken = set(names.values())
        alone = {tools[0]: name for name, tools in wanted.items() if len(tools) == 1 and name not in taken}
        names |= alone
        waiting = [tool for tool in waiting if tool not in alone]
        salt += 1
    return names


def offered(server: str, tool: str, *, salt: int = 0) -> str:
    """Return the name of one tool: as it is if it fits, otherwise head and tail around a hash of the full name.

    Every collision raises `salt`, and from 1 on the hash is always there.
    """
    full = logical(server, tool)
    clean = ODD.sub("_", full)
    if clean == full and len(full) <= LONGEST and not salt:
        return full
    mark = hashlib.sha256(f"{server}\0{tool}\0{salt}".encode(errors="surrogatepass")).hexdigest()[:HASH]
    if len(clean) + HASH + 1 <= LONGEST:
        return f"{clean}_{mark}"
    return f"{clean[:HEAD]}_{mark}_{clean[-TAIL:]}"
