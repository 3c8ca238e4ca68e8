"""Asking the user before a change is committed: once, in both eras of the protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from mcp.server.mcpserver import Context, Elicit
from pydantic import BaseModel, Field

from servers.database.errors import Refused

Policy = Literal["ask", "allow", "deny"]
LONGEST_SHOWN = 600


class Confirmation(BaseModel):
    """The user's word on a change."""

    commit: bool = Field(title="Run it and commit?")


Question = Elicit[Confirmation] | Confirmation


def question(policy: Policy, several: bool) -> Callable[..., Awaitable[Question]]:
    """Return the resolver that `db_execute` waits for; its text is the same in every round of a call."""

    async def of_one(ctx: Context[Any], sql: str, dry_run: bool) -> Elicit[Confirmation] | Confirmation:
        return asked(policy, ctx, sql, dry_run, "the database")

    async def of_several(
        ctx: Context[Any], sql: str, dry_run: bool, source: str
    ) -> Elicit[Confirmation] | Confirmation:
        return asked(policy, ctx, sql, dry_run, source)

    return of_several if several else of_one


def asked(policy: Policy, ctx: Context[Any], sql: str, dry_run: bool, where: str) -> Question:
    """Return the question, or the answer where none is needed. Raises `Refused` where nobody may or can be asked."""
    if dry_run or policy == "allow":
        return Confirmation(commit=True)
    if policy == "deny":
        raise Refused("Changes are not committed here (--confirm=deny). Only dry runs are possible.")
    capabilities = ctx.client_capabilities
    if capabilities is None or capabilities.elicitation is None:
        raise Refused("This client cannot ask its user. Show the dry run; the operator can set --confirm=allow.")
    shown = sql if len(sql) <= LONGEST_SHOWN else f"{sql[:LONGEST_SHOWN]}… ({len(sql)} characters)"
    return Elicit(f"Run this on {where} and commit it?\n\n{shown}", Confirmation)
