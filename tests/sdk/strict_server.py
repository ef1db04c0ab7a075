"""A real HTTP server over loopback that answers as its path says, for the tests of the integrations."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web


class Server:
    """Where it is, and what it saw.

    Attributes
    ----------
    hits
        Method and path of each request.
    received_headers
        Names and values of each request's headers.
    sent_headers
        The names of each response's headers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.hits: list[str] = []
        self.received_headers: list[list[tuple[str, str]]] = []
        self.sent_headers: list[list[str]] = []


_PART = b"x" * 100_000


async def _broken_gzip(request: web.Request) -> web.StreamResponse:
    """Says gzip, and is none."""
    status = int(request.query["status"])
    return web.Response(status=status, body=b"\x1f\x8b\x08 this is no gzip", headers={"Content-Encoding": "gzip"})


async def _endless(request: web.Request) -> web.StreamResponse:
    """Sends until the client has gone away."""
    answer = web.StreamResponse(status=int(request.query["status"]))
    await answer.prepare(request)
    with suppress(ConnectionError):
        while True:
            await answer.write(_PART)
    return answer


async def _silent(request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await request.app[GOING_DOWN].wait()
    return web.Response()


async def _note_headers(request: web.Request, response: web.StreamResponse) -> None:
    request.app[SERVER].sent_headers.append(list(response.headers))


async def _late(request: web.Request) -> web.StreamResponse:
    """Sends its body a while after its headers."""
    answer = web.StreamResponse(status=int(request.query["status"]))
    await answer.prepare(request)
    await asyncio.sleep(0.1)
    await answer.write(b"later")
    return answer


async def _silent_body(request: web.Request) -> web.StreamResponse:
    """Begins its body, and never ends it."""
    answer = web.StreamResponse(status=int(request.query["status"]))
    await answer.prepare(request)
    await answer.write(b"begun")
    await request.app[GOING_DOWN].wait()
    return answer


async def _digest(request: web.Request) -> web.StreamResponse:
    """Asks for digest authentication, and takes any."""
    if "Authorization" in request.headers:
        return web.Response(text="ok")
    return web.Response(status=401, headers={"WWW-Authenticate": 'Digest realm="shop", nonce="1", qop="auth"'})


_SPECIAL = {
    "/broken-gzip": _broken_gzip,
    "/digest": _digest,
    "/endless": _endless,
    "/late": _late,
    "/silent": _silent,
    "/silent-body": _silent_body,
}


async def _answer(request: web.Request) -> web.StreamResponse:
    server = request.app[SERVER]
    if request.path == "/favicon.ico":
        return web.Response(status=404)  # browsers ask for it by themselves
    server.hits.append(f"{request.method} {request.rel_url}")
    server.received_headers.append([(name.decode(), value.decode()) for name, value in request.raw_headers])
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
        for _ in range(int(request.query.get("mb", "2")) * 10):
            await answer.write(_PART)
        return answer
    if request.path in _SPECIAL:
        return await _SPECIAL[request.path](request)
    if request.path == "/moved":
        status, to = request.query.get("status", "302"), request.query.get("to", "/items")
        return web.Response(status=int(status), headers={"Location": to})
    if request.path == "/broken":
        assert request.transport is not None
        request.transport.close()
        await asyncio.sleep(0)
    return web.Response(status=int(request.query.get("status", "200")), text="ok")


SERVER = web.AppKey("server", Server)
GOING_DOWN = web.AppKey("going_down", asyncio.Event)


@asynccontextmanager
async def serve() -> AsyncIterator[Server]:
    app = web.Application(client_max_size=10_000_000)
    app[SERVER] = server = Server("")
    app.on_response_prepare.append(_note_headers)
    app[GOING_DOWN] = asyncio.Event()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        app[GOING_DOWN].set()
        await runner.cleanup()
