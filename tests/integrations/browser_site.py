"""A real site over loopback for browsers: a page and all that it loads, popups, a service worker, a cache."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

__all__ = ["Site", "serve_site"]

PAGE = """<!doctype html><title>Shop</title><link rel=stylesheet href=/style.css>
<img src=/picture.png><script src=/script.js></script><iframe src=/frame></iframe>
<form method=post action=/order><input name=product value=lamp></form>"""
WORKER = "self.onactivate = () => clients.claim(); self.onfetch = event => event.respondWith(fetch(event.request));"
TYPES = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}


class Site:
    """Where it is, and what it saw.

    Attributes
    ----------
    hits
        Method and path of each request, but for favicons.
    received_headers
        Names and values of each request's headers, by method and path.
    """

    def __init__(self) -> None:
        self.url = ""
        self.hits: list[str] = []
        self.received_headers: dict[str, list[tuple[str, str]]] = {}
        self.closing = asyncio.Event()

    @property
    def other_site(self) -> str:
        """The same server under a name that is another site's."""
        return self.url.replace("127.0.0.1", "localhost")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/favicon.ico":
            return web.Response(status=404)
        hit = f"{request.method} {request.rel_url}"
        self.hits.append(hit)
        self.received_headers[hit] = [(name.decode(), value.decode()) for name, value in request.raw_headers]
        path, status = request.path, int(request.query.get("status", "200"))
        headers = {"Access-Control-Allow-Origin": "*"}
        if path == "/":
            return web.Response(text=PAGE, content_type="text/html")
        if path == "/moved":
            return web.Response(status=302, headers={"Location": "/items?status=400"})
        if path == "/cached":
            headers["Cache-Control"] = "max-age=600"
        if path == "/worker.js":
            return web.Response(text=WORKER, content_type="text/javascript")
        if path == "/silent":
            await self.closing.wait()
        if path == "/silent-body":
            response = web.StreamResponse(status=status, headers=headers | {"Content-Type": "text/html"})
            await response.prepare(request)
            await response.write(b"begun")
            await self.closing.wait()
            return response
        kind = TYPES.get(path[path.rfind(".") :], "text/html")
        body = "" if path in ("/style.css", "/script.js") else "x" * int(request.query.get("bytes", "2"))
        return web.Response(status=status, text=body, content_type=kind, headers=headers)


@asynccontextmanager
async def serve_site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        site.closing.set()
        await runner.cleanup()
