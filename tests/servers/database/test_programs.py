"""The database server as a program: from its command line, over stdio and HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

pytestmark = pytest.mark.anyio
PROGRAM = [sys.executable, "-m", "servers.database"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_demo_shop_answers_over_stdio(tmp_path: Path, mode: str) -> None:
    shop = tmp_path / "data" / "sample.db"
    program = StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], "--demo", str(shop)], cwd=os.getcwd())
    with anyio.fail_after(30):
        async with Client(program, mode=mode) as client:
            tables = await client.call_tool("db_schema", {})
            assert tables.structured_content is not None
            names = [each["name"] for each in tables.structured_content["objects"]]
            assert names == ["customers", "order_items", "orders", "products"]
            counted = await client.call_tool("db_query", {"sql": "SELECT count(*) AS n FROM customers"})
            assert counted.structured_content is not None
            assert counted.structured_content["rows"] == [[24]]


def test_a_missing_database_ends_the_program_with_exit_code_2_and_a_reason(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, str(tmp_path / "none.db")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "There is no database file" in done.stderr
