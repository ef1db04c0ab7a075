"""The application behind every Python server of the matrix: WSGI, ASGI and aiohttp. It reads JSON at ``/json``."""

import json
import sys


def reply(path: str, body: bytes) -> tuple[int, bytes]:
    if path.startswith("/json"):
        try:
            json.loads(body)
        except ValueError as error:
            return 400, json.dumps({"error": f"invalid JSON: {error}"}).encode()
    return 200, b'{"ok": true}'


def wsgi(environ, start_response):
    size = environ.get("CONTENT_LENGTH") or "0"
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "")
    body = environ["wsgi.input"].read() if chunked else environ["wsgi.input"].read(int(size))
    status, content = reply(environ.get("PATH_INFO", ""), body)
    start_response(
        "400 Bad Request" if status == 400 else "200 OK",
        [("Content-Type", "application/json"), ("Content-Length", str(len(content)))],
    )
    return [content]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    status, content = reply(scope["path"], body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def aiohttp_server(port: int) -> None:
    from aiohttp import web

    async def handle(request):
        status, content = reply(request.path, await request.read())
        return web.Response(status=status, body=content, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handle)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def tornado_server(port: int) -> None:
    import asyncio

    import tornado.web

    class Handler(tornado.web.RequestHandler):
        def _any(self, *_):
            status, content = reply(self.request.path, self.request.body)
            self.set_status(status)
            self.set_header("Content-Type", "application/json")
            self.finish(content)

        get = post = put = head = options = _any

    async def run():
        tornado.web.Application([(r"/.*", Handler)]).listen(port, "127.0.0.1", max_body_size=1 << 20)
        await asyncio.Event().wait()

    asyncio.run(run())


def cheroot_server(port: int) -> None:
    from cheroot.wsgi import Server

    server = Server(("127.0.0.1", port), wsgi)
    server.max_request_body_size = 1 << 20
    server.max_request_header_size = 1 << 16
    server.start()


def werkzeug_server(port: int) -> None:
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, wsgi, threaded=True)


def gevent_server(port: int) -> None:
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), wsgi).serve_forever()


def http_server(port: int) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
            status, content = reply(self.path, body)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_OPTIONS = _any

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]))
