"""Text from outside re-arms the questions. Pure bookkeeping over the results of the open turn.

A page, a ticket or a mail can hold words that look like the user's. So once text from an open-world tool has come in
since the user last spoke, a standing permission to change something no longer counts by itself; and neither does one to
reach out, once private data has been read as well: with both in the window, one address could carry the data away.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.messages import Tool


@dataclass(frozen=True)
class Taint:
    """What came in since the user last spoke: by which tools, text from outside and data of the user's own."""

    outside: str = ""
    private: str = ""

    def after(self, name: str, tool: Tool | None) -> Taint:
        """Return the taint once a result of the tool of that name is in the window.

        None is a tool that is not offered any more: a server could take it back to have its words forgotten.
        """
        if tool is None or tool.open_world:
            return Taint(name, self.private)
        return Taint(self.outside, name)


CLEAN = Taint()


def rearms(tool: Tool, taint: Taint) -> str:
    """Return why a call that a rule allows must be asked all the same, or an empty string."""
    if taint.outside and not tool.read_only:
        return f"it may change something, and text from outside came in since you spoke, by {taint.outside}"
    if taint.outside and taint.private and tool.open_world:
        return f"it reaches out, after text from outside ({taint.outside}) and your own data ({taint.private}) came in"
    return ""
