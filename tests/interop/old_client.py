"""A client of the Python SDK 1.26, run by the Python of its own venv: `old_client.py '<JSON>'`.

The JSON holds `target` (a command, or a URL) and `calls`. It writes one JSON object: what it saw of the server.
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


async def main(target, calls):
    async with streams(target) as (read, write), ClientSession(read, write) as session:
        hello = await session.initialize()
        tools = await session.list_tools()
        results = [await session.call_tool(name, arguments) for name, arguments in calls]
        seen = {
            "protocol": str(hello.protocolVersion),
            "tools": [tool.name for tool in tools.tools],
            "results": [[each.content[0].text, each.structuredContent, each.isError] for each in results],
        }
    sys.stdout.write(json.dumps(seen))


asyncio.run(main(**json.loads(sys.argv[1])))
