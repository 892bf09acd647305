"""Drives a server with the `mcp` SDK: lists its tools, calls each, and prints what it saw as JSON.

Usage: every_tool.py ERA CALLS URL
       every_tool.py ERA CALLS COMMAND ARGUMENT...

ERA is `legacy`, `auto` or a version of the protocol; CALLS is a JSON list of `[tool, arguments]`.
"""

import asyncio
import json
import os
import sys

import jsonschema
from mcp import Client, MCPError, StdioServerParameters


async def main(era, calls, target):
    if target[0].startswith("http://"):
        server = target[0]
    else:
        # The SDK hands on a few variables only, and none of ours.
        server = StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ))
    progress = []

    async def note(done, total, message):
        progress.append([done, total, message])

    async with Client(server, mode=era, read_timeout_seconds=60) as client:
        listed = await client.list_tools()
        tools = {tool.name: tool for tool in listed.tools}
        results = []
        for name, arguments in calls:
            try:
                result = await client.call_tool(name, arguments, progress_callback=note)
            except MCPError as error:
                results.append({"error": {"code": error.code, "message": error.message}})
                continue
            if not result.is_error:
                schema = tools[name].output_schema
                jsonschema.Draft202012Validator.check_schema(schema)
                jsonschema.validate(result.structured_content, schema)
            results.append(result.model_dump(mode="json", by_alias=True, exclude_none=True))
        return {
            "version": client.protocol_version,
            "server": client.server_info.name if client.server_info else None,
            "tools": [tool.model_dump(mode="json", by_alias=True) for tool in listed.tools],
            "results": results,
            "progress": progress,
        }


if __name__ == "__main__":
    seen = asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]))
    json.dump(seen, sys.stdout)
