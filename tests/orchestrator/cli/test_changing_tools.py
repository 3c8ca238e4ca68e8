"""A conversation whose tools change while it lasts: a server comes or goes, a tool is denied."""

from __future__ import annotations

from tests.orchestrator.cli.desk import CommandLine

BREW = '/call tea__brew {"kind": "assam"}'


def test_a_conversation_goes_on_when_its_tools_change(desk: CommandLine) -> None:
    code, out, err = desk.run("ask", BREW, "--yes")
    assert code == 0, (out, err)
    code, out, err = desk.run("ask", "And now?", "--resume", "last", "--deny", "tea__brew")
    assert code == 0, (out, err)
    desk.configure(policy={"deny": ["tea__steep", "tea__serve"]})
    code, out, err = desk.run("ask", BREW, "--resume", "last", "--yes")
    assert code == 0, (out, err)
    assert "brewed assam" in out
