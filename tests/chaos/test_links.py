"""A link passes what comes, and each of its faults does to it what it says."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from chaos.links import Link
from streams.local.ports import HOST, free_ports


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """A link to a server that answers what it gets."""

    answering: set[asyncio.Task[None] | None] = set()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answering.add(asyncio.current_task())
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, HOST, 0)
    found = Link(free_ports(1)[0], server.sockets[0].getsockname()[1])
    await found.start()
    yield found
    await found.stop()
    server.close()
    await asyncio.gather(*filter(None, answering), return_exceptions=True)


@asynccontextmanager
async def connected(link: Link) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, link.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    with suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(1000), 5.0)
    return b""


async def test_a_cut_closes_connections_and_refuses_new_ones_until_it_is_healed(link: Link) -> None:
    async with connected(link) as (reader, writer):
        assert await ask(reader, writer, b"1") == b"1"
        link.cut()
        assert await asyncio.wait_for(reader.read(), 5.0) == b""
    async with connected(link) as (reader, writer):
        assert await ask(reader, writer, b"2") == b""
    link.heal()
    async with connected(link) as (reader, writer):
        assert await ask(reader, writer, b"3") == b"3"


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_what_is_stopped_in_one_direction_arrives_when_it_is_healed(link: Link, direction: str) -> None:
    async with connected(link) as (reader, writer):
        link.stopped.add(direction)  # type: ignore[arg-type]
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1000), 0.2)
        link.heal()
        assert await asyncio.wait_for(reader.read(1000), 5.0) == b"late"


async def test_a_delay_is_there_in_both_directions(link: Link) -> None:
    async with connected(link) as (reader, writer):
        link.delay_s = 0.1
        began = time.monotonic()
        assert await ask(reader, writer, b"1") == b"1"
        assert time.monotonic() - began >= 0.2
