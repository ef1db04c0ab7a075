"""A client that is stopped while it starts: what it has opened is closed."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from halt400.kafka.follower import Follower
from halt400.publisher import Publisher

pytestmark = pytest.mark.broker


class BusyBroker:
    """Answers the first request of a connection as the real broker does, and none after it."""

    def __init__(self, servers: str) -> None:
        self._servers = servers
        self.waits, self.left = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker_reader, broker_writer = await asyncio.open_connection(*self._servers.rsplit(":", 1))
        broker_writer.write(await _framed(reader))
        writer.write(await _framed(broker_reader))
        await _framed(reader)
        self.waits.set()
        await reader.read()
        self.left.set()
        for stream in (writer, broker_writer):
            stream.close()


async def _framed(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size))


@pytest.mark.parametrize("kind", ["follower", "publisher"])
async def test_a_connection_is_closed_whose_broker_does_not_answer_yet(kafka: str, kind: str) -> None:
    broker = BusyBroker(kafka)
    async with broker.listening() as servers, asyncio.timeout(30):
        client = Follower(servers, "halt400.control") if kind == "follower" else Publisher(servers)
        async with client:
            await broker.waits.wait()
        assert gc.collect() >= 0  # a connection that nobody closed warns here
        await broker.left.wait()
