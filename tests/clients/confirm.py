"""Calls a tool with the `mcp` SDK as a client whose person answers what the server asks. Prints what
was asked and told as JSON.

Usage: confirm.py ERA PLAN URL
       confirm.py ERA PLAN COMMAND ARGUMENT...

ERA is `legacy` or `auto`. PLAN is a JSON object: `call` is `[name, arguments]`, `answer` what the
person says, `{"action": .., "content": ..}`.
"""

import asyncio
import json
import os
import sys

from mcp import Client, StdioServerParameters
from mcp.types import ElicitResult


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def main(era, plan, target):
    if target[0].startswith("http://"):
        server = target[0]
    else:
        # The SDK hands on a few variables only, and none of ours.
        server = StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ))
    asked = []

    async def answer(context, params):
        asked.append(plain(params))
        return ElicitResult(**plan["answer"])

    async with Client(
        server, mode=era, read_timeout_seconds=60, elicitation_callback=answer
    ) as client:
        told = await client.call_tool(*plan["call"])
        return {"version": client.protocol_version, "asked": asked, "told": plain(told)}


if __name__ == "__main__":
    seen = asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]))
    json.dump(seen, sys.stdout)
