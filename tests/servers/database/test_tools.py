"""The tools, resources and prompts as a client sees them, in both eras of the protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from servers.database.sources import Bounds, Source, parse
from tests.servers.database.postgres_server import Postgres
from tests.servers.database.stage import PATIENT, asking, query, refusal, sqlite_file, text_of

pytestmark = pytest.mark.anyio
TABLES = 500


@pytest.fixture
def world_file(tmp_path: Path) -> Source:
    return parse(f"world={sqlite_file(tmp_path / 'world.db')}")


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


async def structured(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The structured answer of a call that must succeed; its text is the same."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    assert json.loads(text_of(result)) == result.structured_content
    assert len(result.content) == 1
    return result.structured_content


async def test_a_walk_from_tables_to_rows(source: Source, mode: str) -> None:
    async with asking(source, mode=mode) as client:
        found = await structured(client, "db_schema", {"kind": "column", "pattern": "victim_id"})
        assert [each["table"] for each in found["objects"]] == ["child"]
        full = await structured(client, "db_schema", {"pattern": "child", "detail": "full"})
        assert [column["name"] for column in full["objects"][0]["columns"]] == ["id", "victim_id"]
        rows = await structured(client, "db_query", {"sql": "SELECT count(*) AS n FROM child"})
        assert (rows["rows"], rows["row_count"], rows["truncated"]) == ([[3]], 1, None)
        plan = await structured(client, "db_explain", {"sql": "SELECT * FROM child WHERE victim_id = 1"})
        assert plan["plan"]
        profile = await structured(client, "db_profile", {"table": "child"})
        assert (profile["sampled"], profile["complete"]) == (3, True)


async def test_keys_and_indexes_are_told_in_full(world_file: Source, world: Postgres) -> None:
    for source in (world_file, parse(world.reader)):
        async with asking(source) as client:
            (child,) = (await structured(client, "db_schema", {"pattern": "child", "detail": "full"}))["objects"]
        assert child["foreign_keys"] == [{"columns": ["victim_id"], "table": "victim", "references": ["id"]}]
        assert {"name": "child_by_victim", "columns": ["victim_id"], "unique": False} in child["indexes"]
        assert child["columns"][0]["pk"]


async def test_a_schema_is_listed_page_by_page(source: Source, mode: str) -> None:
    async with asking(source, mode=mode) as client:
        first = await structured(client, "db_schema", {"limit": 2})
        assert first["truncated"] == "entries"
        rest = await structured(client, "db_schema", {"limit": 2, "cursor": first["next"]})
        assert [each["name"] for each in first["objects"] + rest["objects"]] == ["big", "child", "victim"]
        assert "next" not in rest
        other = {"limit": 2, "cursor": first["next"], "pattern": "b*"}
        assert (await refusal(client, "db_schema", other)).startswith("invalid: ")
        assert (await refusal(client, "db_schema", {"cursor": "forged"})).startswith("invalid: ")


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
async def test_a_column_is_found_among_500_tables_in_few_calls_and_few_bytes(
    request: pytest.FixtureRequest, tmp_path: Path, dialect: str
) -> None:
    sql = "".join(
        f"CREATE TABLE t_{number:03} (id integer PRIMARY KEY, name text, created_at timestamp, "
        f"{'vat_number text' if number == 317 else f'field_{number} integer'}); "
        for number in range(TABLES)
    )
    if dialect == "sqlite":
        source = parse(str(sqlite_file(tmp_path / "wide.db", sql)))
    else:
        server: Postgres = request.getfixturevalue("postgres_server")
        source = parse(server.database_called("wide", sql + "SELECT 1").reader)
    async with asking(source, PATIENT) as client:
        found = await client.call_tool("db_schema", {"kind": "column", "pattern": "*vat*"})
        assert found.structured_content is not None
        (column,) = found.structured_content["objects"]
        table = await client.call_tool("db_schema", {"pattern": column["table"], "detail": "full"})
        listed = await client.call_tool("db_schema", {})
    assert (column["table"], column["name"]) == ("t_317", "vat_number")
    assert "vat_number" in text_of(table)
    assert len(text_of(found)) + len(text_of(table)) + len(text_of(listed)) < 8_000


async def test_the_tool_list_stays_small_with_everything_in_it(tmp_path: Path, mode: str) -> None:
    files = [sqlite_file(tmp_path / f"{name}.db") for name in ("one", "two", "three")]
    async with asking([parse(f"{path}:rw") for path in files], mode=mode) as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == ["db_schema", "db_query", "db_explain", "db_profile", "db_execute"]
    size = len(json.dumps([tool.model_dump(by_alias=True, exclude_none=True) for tool in tools], separators=(",", ":")))
    assert size <= 6_000, size
    for tool in tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is (tool.name != "db_execute")
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema is not None


async def test_the_source_is_a_parameter_only_where_there_are_several(tmp_path: Path, mode: str) -> None:
    one, two = sqlite_file(tmp_path / "one.db"), sqlite_file(tmp_path / "two.db", "CREATE TABLE other (a)")
    async with asking(parse(str(one)), mode=mode) as client:
        assert all("source" not in tool.input_schema["properties"] for tool in (await client.list_tools()).tools)
    async with asking([parse(str(one)), parse(f"second={two}:rw")], mode=mode, confirm="allow") as client:
        tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
        assert tools["db_query"]["source"]["enum"] == ["one", "second"]
        assert "source" not in tools["db_execute"]  # there is one to write to
        assert (await query(client, "SELECT count(*) FROM victim"))["rows"] == [[2]]
        assert (await query(client, "SELECT count(*) FROM other", source="second"))["rows"] == [[0]]
        assert (await refusal(client, "db_query", {"sql": "SELECT 1", "source": "third"})).startswith("invalid: ")
        done = await client.call_tool("db_execute", {"sql": "INSERT INTO other VALUES (1)", "dry_run": False})
        assert not done.is_error
        assert (await query(client, "SELECT count(*) FROM other", source="second"))["rows"] == [[1]]


async def test_rows_are_shown_as_csv_and_markdown_too(world_file: Source) -> None:
    sql = "SELECT id, note || ',|' || char(10) || 'x' AS n, NULL AS z FROM victim"
    async with asking(world_file) as client:
        as_csv = await client.call_tool("db_query", {"sql": sql, "format": "csv", "max_rows": 1})
        as_table = await client.call_tool("db_query", {"sql": sql, "format": "markdown"})
    assert text_of(as_csv).startswith('id,n,z\n1,"keep,|\nx",\n')
    assert "offset=1" in text_of(as_csv)
    assert text_of(as_table).splitlines()[2] == "| 1 | keep,\\|<br>x |  |"
    assert as_csv.structured_content is not None
    assert as_csv.structured_content["rows"] == [[1, "keep,|\nx", None]]


@pytest.mark.parametrize(
    "arguments",
    [{"sql": 7}, {"sql": "SELECT 1", "max_rows": 0}, {"sql": "SELECT 1", "max_rows": 5001},
     {"sql": "SELECT 1", "offset": -1},
     {"sql": "SELECT 1", "limit": 3}, {}, {"sql": "SELECT 1", "format": "xml"}, {"sql": "SELECT 1", "params": 3},
     {"sql": "SELECT '\0'"}, {"sql": "SELECT '\ud800'"}],
)  # fmt: skip
async def test_bad_arguments_are_refused_with_what_is_taken(source: Source, arguments: dict[str, Any]) -> None:
    async with asking(source) as client:
        assert (await refusal(client, "db_query", arguments)).startswith("invalid: ")


async def test_resources_tell_the_schema(source: Source, mode: str) -> None:
    async with asking(source, mode=mode) as client:
        listed = (await client.list_resources()).resources
        assert [each.uri for each in listed] == ["db://world/schema"]
        (whole,) = (await client.read_resource("db://world/schema")).contents
        schema = "public" if source.dialect == "postgresql" else "main"
        (one,) = (await client.read_resource(f"db://world/{schema}.victim")).contents
        assert isinstance(whole, TextResourceContents)
        assert isinstance(one, TextResourceContents)
        assert "TABLE child (" in whole.text
        assert "note" in one.text
        assert "child" not in one.text
        for uri in (f"db://world/{schema}.none", "db://other/main.victim"):
            with pytest.raises(MCPError) as missing:
                await client.read_resource(uri)
            assert missing.value.code == -32602


async def test_names_are_completed(source: Source, mode: str) -> None:
    template = ResourceTemplateReference(uri="db://{source}/{schema}.{table}")
    async with asking(source, mode=mode) as client:
        tables = await client.complete(template, {"name": "table", "value": "v"}, {"source": "world"})
        schemas = await client.complete(template, {"name": "schema", "value": ""}, {"source": "world"})
        sources = await client.complete(PromptReference(name="explore"), {"name": "source", "value": "w"})
    assert tables.completion.values == ["victim"]
    assert schemas.completion.values == ["public" if source.dialect == "postgresql" else "main"]
    assert sources.completion.values == ["world"]


async def test_prompts_lead_to_the_tools(world_file: Source, mode: str) -> None:
    async with asking(world_file, mode=mode) as client:
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["explore", "explain_slow"]
        explore = await client.get_prompt("explore", {})
        slow = await client.get_prompt("explain_slow", {"sql": "SELECT 42"})
    for prompt, word in ((explore, "world"), (slow, "SELECT 42")):
        assert isinstance(prompt.messages[0].content, TextContent)
        assert word in prompt.messages[0].content.text
        assert "db_schema" in prompt.messages[0].content.text


async def test_a_long_call_tells_that_it_runs(world: Postgres) -> None:
    told: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    async with asking(parse(world.reader), Bounds(seconds=10)) as client:
        await client.call_tool("db_query", {"sql": "SELECT pg_sleep(1.5)"}, progress_callback=progress)
    assert told


@pytest.mark.parametrize("params", [{}, {"b": 1}, {"1": 1}])
async def test_a_name_that_params_does_not_have_is_told(tmp_path: Path, params: dict[str, int]) -> None:
    async with asking(parse(f"{sqlite_file(tmp_path / 'world.db')}:rw"), confirm="allow") as client:
        for tool, sql in (("db_query", "SELECT ?1, :a"), ("db_execute", "DELETE FROM victim WHERE id = ?1 OR id = :a")):
            said = await refusal(client, tool, {"sql": sql, "params": params})
            assert said.startswith("invalid: params has no value named '"), said
