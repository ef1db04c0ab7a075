"""A real HTTP server over loopback that answers as its path says, for the tests of the integrations."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Server:
    url: str
    hits: list[str]


async def _answer(request: web.Request) -> web.StreamResponse:
    request.app[HITS].append(f"{request.method} {request.rel_url}")
    body = await request.read()
    if request.path == "/graphql":
        try:
            json.loads(body)
        except ValueError as error:
            answer = web.json_response({"error": str(error)}, status=400)
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                answer.enable_compression(web.ContentCoding.gzip)
            return answer
        return web.json_response({"data": {}})
    if request.path == "/large":
        answer = web.StreamResponse(status=int(request.query["status"]))
        await answer.prepare(request)
        for _ in range(20):
            await answer.write(b"x" * 100_000)
        return answer
    if request.path == "/moved":
        return web.Response(status=302, headers={"Location": "/items"})
    if request.path == "/broken":
        assert request.transport is not None
        request.transport.close()
        await asyncio.sleep(0)
    return web.Response(status=int(request.query.get("status", "200")), text="ok")


HITS: web.AppKey[list[str]] = web.AppKey("hits", list)


@asynccontextmanager
async def serve() -> AsyncIterator[Server]:
    app = web.Application(client_max_size=10_000_000)
    app[HITS] = []
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server = Server()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    server.hits = app[HITS]
    try:
        yield server
    finally:
        await runner.cleanup()
