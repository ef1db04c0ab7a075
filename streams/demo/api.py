"""The demonstration's API: a small shop over loopback whose JSON parser is strict, as real ones are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from aiohttp import web

__all__ = ["shop"]


@asynccontextmanager
async def shop() -> AsyncIterator[str]:
    """Serve ``POST /graphql`` on a free port of 127.0.0.1, and give its URL."""
    app = web.Application()
    app.router.add_post("/graphql", _graphql)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        await runner.cleanup()


async def _graphql(request: web.Request) -> web.Response:
    body = await request.read()
    try:
        query = orjson.loads(body)["query"]
    except orjson.JSONDecodeError as error:
        return web.json_response({"errors": [{"message": f"POST body is not valid JSON: {error}"}]}, status=400)
    except (KeyError, TypeError):
        return web.json_response({"errors": [{"message": "query is missing"}]}, status=400)
    return web.json_response({"data": {"product": {"name": "Lamp", "price": 42}, "asked": query}})
