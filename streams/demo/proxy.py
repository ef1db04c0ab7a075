"""The demonstration's proxies: real HTTP forward proxies over loopback, one connection per request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from urllib.parse import urlsplit

__all__ = ["forward_proxies"]

_HOP_BY_HOP = (b"connection:", b"keep-alive:", b"proxy-")


@asynccontextmanager
async def forward_proxies(number: int) -> AsyncIterator[list[str]]:
    """Run `number` proxies on free ports of 127.0.0.1, and give their URLs."""
    async with AsyncExitStack() as stack:
        urls = []
        for _ in range(number):
            server = await stack.enter_async_context(await asyncio.start_server(_serve, "127.0.0.1", 0))
            urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        yield urls


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        head, body = await _read_request(reader)
        await _forward(head, body, writer)
    writer.close()


async def _read_request(reader: asyncio.StreamReader) -> tuple[list[bytes], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
    lengths = [line.partition(b":")[2] for line in head[1:] if line.lower().startswith(b"content-length:")]
    return head, await reader.readexactly(int(lengths[0]) if lengths else 0)


async def _forward(head: list[bytes], body: bytes, client: asyncio.StreamWriter) -> None:
    """Send the request in origin form, its headers in their order, and return the response as it comes."""
    method, url, version = head[0].split(b" ")
    parts = urlsplit(url.decode("ascii"))
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except OSError:
        client.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await client.drain()
        return
    kept = [line for line in head[1:] if not line.lower().startswith(_HOP_BY_HOP)]
    target = parts.path.encode() + (b"?" + parts.query.encode() if parts.query else b"")
    writer.write(b"\r\n".join([b" ".join((method, target, version)), *kept, b"Connection: close", b"", b""]) + body)
    while chunk := await reader.read(65536):
        client.write(chunk)
        await client.drain()
    writer.close()
