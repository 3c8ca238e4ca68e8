"""The prompts: a way into an unknown database, and into a slow statement."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from servers.database.sources import Sources
from servers.toolserver import ToolServer

EXPLORE = """Get to know the database {source}.
1. db_schema: list the tables, then those that matter with detail="full". Look for keys between them.
2. db_profile: for the three or four central tables.
3. Tell me what the database is about, its main tables and how they join, ranges of time and size, what looks odd in the
   data, and five questions that it can answer, each with the SELECT."""
SLOW = """This statement is slow:

{sql}

1. db_explain it, then with analyze=true if it runs within the time limit.
2. db_schema with detail="full" for the tables of the steps that cost most: which indexes are there?
3. Tell me in plain words where the time goes, and what would help: another form of the statement (check with db_query
   that it gives the same rows), or an index (only the statement to create it). Do not change anything."""


def add_prompts(server: ToolServer[Sources], first: str) -> None:
    """Add `explore` and `explain_slow`."""

    @server.prompt(title="Explore a database")
    def explore(source: Annotated[str, Field(description="Which database")] = first) -> str:
        """Find out what a database is about and what it can answer."""
        return EXPLORE.format(source=source)

    @server.prompt(title="Explain a slow statement")
    def explain_slow(sql: Annotated[str, Field(description="The statement")]) -> str:
        """Find out why a statement is slow, and what would help."""
        return SLOW.format(sql=sql)
