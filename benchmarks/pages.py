"""A local HTTP server for benchmarks of clients: as little work a request as there can be."""

import asyncio
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["pages_server"]


class _Pages(asyncio.Protocol):
    """The least of an HTTP/1.1 server: it must not be what is measured."""

    _GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2000\r\n\r\n" + b"<p>page</p>".ljust(2000)
    _BAD = b'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"error": "no"}'

    hits = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._read = transport, b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        while b"\r\n\r\n" in self._read:
            head, _, self._read = self._read.partition(b"\r\n\r\n")
            if head.startswith(b"GET /hits"):
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n%12d" % _Pages.hits
            else:
                # A browser asks for the picture of a site by itself.
                _Pages.hits += not head.startswith(b"GET /favicon.ico")
                answer = self._BAD if b"/bad" in head.partition(b"\r\n")[0] else self._GOOD
            self._transport.write(answer)  # type: ignore[attr-defined]


def _serve(ports: "multiprocessing.Queue[int]") -> None:
    def end_with_parent() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()

    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Pages, "127.0.0.1", 0)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextmanager
def pages_server() -> Iterator[str]:
    """A server in a process of its own; its URL.

    ``/bad...`` gets a 400, ``/hits`` the number of other requests so far, everything else a page of 2,000 bytes;
    also in absolute form, as to a proxy.
    """
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_serve, args=(ports,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=30)}"
    finally:
        process.terminate()
        process.join()
