"""The schema as resources, with completion of the names in their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp.server.mcpserver import Context
from mcp.types import Completion, CompletionArgument, CompletionContext, PromptReference, ResourceTemplateReference

from servers.database.engine import Engine, Search
from servers.database.protocol.served import Served
from servers.database.schema import ddl, listing, located_table, table_ddl
from servers.database.sources import Sources
from servers.toolserver import ToolServer

MOST_TABLES = 200
MOST_COMPLETIONS = 100


def add_resources(server: ToolServer[Sources], served: Served, names: Sequence[str]) -> None:
    """Add `db://SOURCE/schema` for each source, the template `db://{source}/{schema}.{table}`, and completion."""
    for name in names:
        add_schema(server, served, name)

    @server.resource("db://{source}/{schema}.{table}", title="A table", mime_type="text/plain")
    async def table(ctx: Context[Any], source: str, schema: str, table: str) -> str:
        """Columns, keys and references of one table, as compact DDL."""
        engine = ctx.request_context.lifespan_context.engine(source)
        return table_ddl(await located_table(engine, f"{schema}.{table}"), "")

    @server.completion()
    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        given = (context.arguments if context else None) or {}
        if argument.name == "source":
            found = [name for name in names if name.startswith(argument.value)]
        else:
            engine = served.sources.engine(given.get("source", names[0]))
            found = await matching(engine, argument.name, argument.value, given.get("schema"))
        return Completion(values=found[:MOST_COMPLETIONS], has_more=len(found) > MOST_COMPLETIONS)


def add_schema(server: ToolServer[Sources], served: Served, name: str) -> None:
    """Add the resource that tells all tables of a source."""

    @server.resource(f"db://{name}/schema", name=f"{name}-schema", title=f"Schema of {name}", mime_type="text/plain")
    async def schema() -> str:
        """Every table with its columns and keys, as compact DDL."""
        engine = served.sources.engine(name)
        page = await listing(engine, "*", "table", None, "summary", MOST_TABLES, 0)
        more = "\n-- and more: db_schema finds them" if page.more else ""
        return ddl(engine, page.tables) + more


async def matching(engine: Engine, what: str, begun: str, schema: str | None) -> list[str]:
    """Return the names of schemas or tables that begin as given."""
    if what not in ("schema", "table"):
        return []
    escaped = begun.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    kind = "schema" if what == "schema" else "table"
    found = await engine.find(Search(kind, f"{escaped}%", schema if kind == "table" else None, MOST_COMPLETIONS + 1, 0))
    return [each.name for each in found]
