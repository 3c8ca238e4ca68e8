"""Which beta header opens which field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from simulator.errors import Refused
from simulator.shapes import Json

MCP_OLD, MCP, MCP_LISTING = "mcp-client-2025-04-04", "mcp-client-2025-11-20", "mcp-client-2026-09-15"
CONTEXT = "context-management-2025-06-27"
COMPACT_AT, COMPACT = "compact-2026-01-12", "compact-2026-09-04"
TOOL_CHANGES, INLINE_TOOLS = "mid-conversation-tool-changes-2026-07-01", "inline-tools-2026-09-15"
CLEAR_AT = "mid-conversation-system-clear-at-2026-08-21"
MESSAGE_EFFORT = "mid-conversation-output-config-2026-07-01"
THREADS = "message-threads-2026-08-12"
BINDING = "thinking-binding-controls-2026-08-01"
UPDATES = "thinking-display-updates-2026-08-18"
TASK_BUDGET = "task-budgets-2026-03-13"
FALLBACK = ("server-side-fallback-2026-07-01", "server-side-fallback-2026-06-01")
CREDIT = "fallback-credit-2026-07-01"
FAST = "fast-mode-2026-02-01"

FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mcp_servers": (MCP_OLD, MCP, MCP_LISTING),
        "context_management": (CONTEXT, COMPACT_AT),
        "compaction": (COMPACT,),
        "fallbacks": FALLBACK,
        "fallback_credit_token": (CREDIT,),
        "thread": (THREADS,),
    }
)
"""Body field to the headers of which one must be there; without one the field is unknown to the API."""


def names(header: str | None) -> frozenset[str]:
    """Return the beta names of an `anthropic-beta` header."""
    return frozenset(part.strip() for part in (header or "").split(",") if part.strip())


def check_fields(body: Json, betas: Iterable[str]) -> None:
    """Raise `Refused` for a beta field whose header is missing, in the words of an unknown field."""
    given = frozenset(betas)
    for field, headers in FIELDS.items():
        if field in body and not given.intersection(headers):
            raise Refused(f"{field}: Extra inputs are not permitted")
