"""Drives a server with the `mcp` SDK: lists its prompts and resources, writes, reads, completes, and
waits for what it subscribed to. Prints what it saw as JSON.

Usage: offers.py ERA PLAN URL
       offers.py ERA PLAN COMMAND ARGUMENT...

ERA is `legacy`, `auto` or a version of the protocol. PLAN is a JSON object: `prompts` is a list of
`[name, arguments]`, `resources` of URIs, `complete` of `[reference, argument, value, context]`,
`watch` a URI, and `change` the call of a tool, `[name, arguments]`, that changes what is there.
"""

import asyncio
import json
import os
import sys

from mcp import Client, MCPError, StdioServerParameters
from mcp.types import PromptReference, ResourceTemplateReference


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def attempt(work):
    try:
        return plain(await work)
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message}}


async def watched(client, era, updates, uri, change):
    """What the client is told after a change to what it watches."""
    if era == "legacy":
        await client.subscribe_resource(uri)
        await client.call_tool(*change)
        told = await asyncio.wait_for(updates.get(), 60)
        await client.unsubscribe_resource(uri)
        return told
    async with client.listen(resource_subscriptions=[uri]) as events:
        await client.call_tool(*change)
        async for event in events:
            return str(event.uri)


def reference(of):
    return PromptReference(name=of) if "://" not in of else ResourceTemplateReference(uri=of)


async def main(era, plan, target):
    if target[0].startswith("http://"):
        server = target[0]
    else:
        # The SDK hands on a few variables only, and none of ours.
        server = StdioServerParameters(command=target[0], args=target[1:], env=dict(os.environ))
    updates = asyncio.Queue()

    async def note(message):
        if getattr(message, "method", None) == "notifications/resources/updated":
            await updates.put(str(message.params.uri))

    async with Client(server, mode=era, read_timeout_seconds=60, message_handler=note) as client:
        return {
            "version": client.protocol_version,
            "capabilities": plain(client.server_capabilities),
            "prompts": plain(await client.list_prompts())["prompts"],
            "resources": plain(await client.list_resources())["resources"],
            "templates": plain(await client.list_resource_templates())["resourceTemplates"],
            "written": [
                await attempt(client.get_prompt(name, arguments))
                for name, arguments in plan["prompts"]
            ],
            "read": [await attempt(client.read_resource(uri)) for uri in plan["resources"]],
            "completed": [
                await attempt(
                    client.complete(
                        reference(of), {"name": name, "value": value}, context_arguments=context
                    )
                )
                for of, name, value, context in plan["complete"]
            ],
            "told": await asyncio.wait_for(
                watched(client, era, updates, plan["watch"], plan["change"]), 60
            ),
        }


if __name__ == "__main__":
    seen = asyncio.run(main(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]))
    json.dump(seen, sys.stdout)
