"""A client of the Python SDK 1.26, run by the Python of its own venv: `old_client.py '<JSON of command or URL>'`.

It writes one JSON object: what it saw of the files server.
"""
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

import asyncio
import contextlib
import json
import sys

from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamablehttp_client


@contextlib.asynccontextmanager
async def streams(target):
    if isinstance(target, str):
        async with streamablehttp_client(target) as (read, write, _):
            yield read, write
    else:
        async with stdio_client(StdioServerParameters(command=target[0], args=target[1:])) as (read, write):
            yield read, write


async def main(target):
    async with streams(target) as (read, write), ClientSession(read, write) as session:
        hello = await session.initialize()
        tools = await session.list_tools()
        read_text = await session.call_tool("fs_read", {"path": "a.txt"})
        listed = await session.call_tool("fs_list", {"path": "."})
        missing = await session.call_tool("fs_read", {"path": "missing.txt"})
        seen = {
            "protocol": str(hello.protocolVersion),
            "tools": [tool.name for tool in tools.tools],
            "text": read_text.content[0].text,
            "listed": listed.structuredContent,
            "missing": [missing.isError, missing.content[0].text],
        }
    sys.stdout.write(json.dumps(seen))


asyncio.run(main(json.loads(sys.argv[1])))
