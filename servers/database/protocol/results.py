"""What the tools return, and how it is put on the wire: structured, and the same compact in one text block."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from mcp.types import CallToolResult, TextContent
from pydantic import ConfigDict, Field, WithJsonSchema
from pydantic_core import to_json

from servers.cleaning import clean, clean_line
from servers.database.engine import Answer, Found, Outcome, Plan, Table
from servers.database.profile import Profile
from servers.database.schema import Listing
from servers.encoded import Encoded
from servers.limits import Page, Value

Format = Literal["json", "csv", "markdown"]


Many = Annotated[list[Any], WithJsonSchema({"type": "array"})]
"""A list that a client need not check item by item: for a thousand rows that would cost more than the query."""


def slim(schema: dict[str, Any]) -> None:
    """Take out of a result's schema what tells a model nothing: every tool's schema is paid for in each request."""
    schema.pop("description", None)
    schema.pop("additionalProperties", None)
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class Result(Value):
    """The base of the results, with a short schema."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=slim)


class QueryResult(Result):
    """The rows of a query; columns are {name, type}."""

    columns: Many
    rows: Many
    row_count: int
    truncated: Literal["rows", "bytes", "cell"] | None = None
    next_offset: int | None = None
    elapsed_ms: float
    notes: list[str]


class SchemaResult(Page):
    """A page of objects of a database."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=slim)
    source: str
    dialect: str
    objects: Many


class PlanResult(Result):
    """How the engine runs a statement."""

    plan: str
    dialect: str
    warnings: list[str]


class ProfileResult(Result):
    """What the columns of a table hold: {name, type, nulls, distinct, min, max, top: [{value, count}]} each."""

    table: str
    sampled: int = Field(description="Rows looked at.")
    complete: bool = Field(description="These are all rows.")
    truncated: Literal["time"] | None = None
    columns: Many


class ExecuteResult(Result):
    """What a change did."""

    affected: int
    committed: bool
    rolled_back_reason: str | None = None
    returning: Many | None = None


def sent(result: Value, text: str | None = None) -> CallToolResult:
    """Return a result as the wire has it, without empty fields; `text` replaces the JSON in the text block."""
    structured = without_hidden(result.model_dump(mode="json", exclude_none=True))
    shown = to_json(structured).decode() if text is None else text
    return CallToolResult(content=[TextContent(text=shown)], structured_content=structured)


def without_hidden(value: Any) -> Any:
    """Return a JSON value whose texts hold no hidden characters: names and comments are written by strangers too."""
    match value:
        case str():
            return clean(value).text
        case list():
            return [without_hidden(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
        case dict():
            return {key: without_hidden(item) for key, item in value.items()}  # pyright: ignore[reportUnknownVariableType]
        case _:
            return value


def query_result(answer: Answer, elapsed_ms: float, form: Format) -> CallToolResult:
    """Return the answer to a query; `form` is that of the text block."""
    columns = [{"name": clean_line(column.name), "type": column.type} for column in answer.columns]
    content = Encoded(
        {
            "columns": columns,
            "rows": answer.rows,
            "row_count": len(answer.rows),
            "truncated": answer.truncated,
            "next_offset": answer.next_offset,
            "elapsed_ms": round(elapsed_ms, 1),
            "notes": answer.notes,
        }
    )
    names = [column["name"] for column in columns]
    match form:
        case "json":
            text = content.text
        case "csv":
            text = as_csv(names, answer.rows) + footer(answer)
        case "markdown":
            text = as_markdown(names, answer.rows) + footer(answer)
    return CallToolResult(content=[TextContent(text=text)], structured_content=content)


def footer(answer: Answer) -> str:
    """Return what the table alone does not tell."""
    more = f"\n({answer.truncated}: go on with offset={answer.next_offset})" if answer.next_offset is not None else ""
    return more + "".join(f"\n({note})" for note in answer.notes)


def as_csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as CSV with a header; null is an empty field."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell_text(cell) for cell in row] for row in rows)
    return out.getvalue()


def as_markdown(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return rows as a Markdown table; null is an empty cell."""
    lines = [names, ["---"] * len(names), *([cell_text(cell) for cell in row] for row in rows)]
    escaped = ([text.replace("|", "\\|").replace("\r", "").replace("\n", "<br>") for text in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def cell_text(cell: Any) -> str:
    """Return a JSON value as the text of a table cell."""
    if cell is None:
        return ""
    return cell if isinstance(cell, str) else to_json(cell).decode()


def schema_result(source: str, dialect: str, default_schema: str, page: Listing, cursor: str | None) -> CallToolResult:
    """Return a page of objects; the default schema and empty fields are left out."""
    described = {(table.schema, table.name): table for table in page.tables}
    objects: list[dict[str, Any]] = []
    for each in page.found:
        table = described.get((each.schema, each.name))
        named = {"schema": each.schema} if each.schema != default_schema else {}
        objects.append(named | (table_object(table) if table else found_object(each)))
    truncated = "entries" if page.more else None
    return sent(SchemaResult(source=source, dialect=dialect, objects=objects, truncated=truncated, next=cursor))


def found_object(found: Found) -> dict[str, Any]:
    """Return an object by its name alone."""
    fields = {
        "table": found.table,
        "name": found.name,
        "kind": found.kind,
        "type": found.type,
        "comment": found.comment,
    }
    return {name: value for name, value in fields.items() if value is not None}


def table_object(table: Table) -> dict[str, Any]:
    """Return a table with all that is known about it."""
    columns = [
        {"name": column.name, "type": column.type}
        | ({} if column.nullable else {"nullable": False})
        | ({} if column.default is None else {"default": column.default})
        | ({"pk": True} if column.pk else {})
        | ({} if column.comment is None else {"comment": column.comment})
        for column in table.columns
    ]
    fields: dict[str, Any] = {
        "name": table.name,
        "kind": table.kind,
        "comment": table.comment,
        "row_estimate": table.row_estimate,
        "columns": columns,
        "foreign_keys": [vars(key) for key in table.foreign_keys] or None,
        "indexes": [vars(index) for index in table.indexes] or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def plan_result(plan: Plan, dialect: str) -> CallToolResult:
    """Return a plan."""
    return sent(PlanResult(plan=plan.plan, dialect=dialect, warnings=plan.warnings))


def profile_result(profile: Profile) -> CallToolResult:
    """Return a profile."""
    columns = [vars(each) | {"top": [vars(value) for value in each.top]} for each in profile.columns]
    truncated = "time" if profile.timed_out else None
    return sent(
        ProfileResult(
            table=profile.table, sampled=profile.rows, complete=profile.complete, truncated=truncated, columns=columns
        )
    )


def execute_result(outcome: Outcome) -> CallToolResult:
    """Return what a change did."""
    rows = outcome.returning.rows if outcome.returning else None
    reason = outcome.rolled_back_reason
    return sent(
        ExecuteResult(affected=outcome.affected, committed=outcome.committed, rolled_back_reason=reason, returning=rows)
    )
