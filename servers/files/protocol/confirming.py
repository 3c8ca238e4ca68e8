"""Ask the user before something is lost: through the client, the operator's word, or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from mcp.server.mcpserver import Context, Elicit, ElicitationResult
from pydantic import BaseModel, Field

from servers.files.errors import Denied

Policy = Literal["ask", "allow", "deny"]


class Agreement(BaseModel):
    """The form that the user fills in."""

    agree: bool = Field(title="Do it", description="Whether the server may do this.")


YES = Agreement(agree=True)


@dataclass(frozen=True)
class Asking:
    """How destructive calls are agreed to."""

    policy: Policy = "ask"
    """`ask` the user, and refuse where the client cannot ask; `allow` or `deny` everything without asking."""

    def question(self, text: str, context: Context[Any, Any]) -> Elicit[Agreement] | Agreement:
        """Return the question `text` for the user, or the answer when nobody is to be asked. Raises `Denied`."""
        if self.policy == "allow":
            return YES
        if self.policy == "deny":
            raise Denied("the operator lets nothing be replaced or deleted", "Leave it to the user.")
        capabilities = context.client_capabilities
        if capabilities is None or capabilities.elicitation is None:
            raise Denied(
                "this needs the user's yes, and this client cannot ask for it",
                "Tell the user; the operator can start the server with --confirm=allow.",
            )
        return Elicit(text, Agreement)


def refuse_without(agreement: ElicitationResult[Agreement]) -> None:
    """Raise `Denied` when the user did not agree."""
    if agreement.action != "accept" or not agreement.data.agree:
        raise Denied("the user did not agree", "Leave it as it is; do not ask again for the same.")
