"""What the page benchmark loads a server with, each in a process of its own: events, requests of rates, listeners.

The clients speak HTTP over plain sockets: they must not be what is measured.
"""

import asyncio
import re
import time
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiokafka import AIOKafkaProducer

from benchmarks.events import generate
from streams import topics
from streams.settings import KafkaSettings

__all__ = ["ask_rates", "listen", "name_of", "publish", "serve_static"]

CONNECTIONS = 16
EVENTS_PREPARED = 40_000
TICK_S = 0.02
STATIC_BYTES = 1900
TIME = b"@TIME@"
"""Where an event gets its time when it is sent."""


def name_of(number: int) -> str:
    """The name of a target of the fleet."""
    return f"api-{number:05}.shop.example"


def publish(servers: str, partitions: int, targets: int, per_s: int, report: Connection) -> None:
    """Publish each target once, say so, and then `per_s` events a second over all targets until told to stop."""
    asyncio.run(_publish(KafkaSettings(bootstrap_servers=servers, partitions=partitions), targets, per_s, report))


async def _publish(kafka: KafkaSettings, targets: int, per_s: int, report: Connection) -> None:
    names = [name_of(number).encode() for number in range(targets)]
    events = []
    for number, made in enumerate(generate(EVENTS_PREPARED, 1000, 0.001)):
        name = names[number % targets]
        events.append((name, re.sub(rb'"time":\d+', b'"time":' + TIME, made.value.replace(made.key, name))))
    producer = AIOKafkaProducer(**kafka.connection.client_options(), acks=1, linger_ms=20, max_batch_size=256 * 1024)
    topic = kafka.topic(topics.RESPONSES)
    await producer.start()
    try:
        sent = [await _send(producer, topic, events[number]) for number in range(targets)]
        await asyncio.gather(*sent)
        report.send(targets)
        began, number = time.monotonic(), targets
        while not report.poll():
            due = targets + int((time.monotonic() - began) * per_s)
            while number < due:
                await _send(producer, topic, events[number % len(events)])
                number += 1
            await asyncio.sleep(TICK_S)
        report.send((number - targets, time.monotonic() - began))
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, topic: str, event: tuple[bytes, bytes]) -> Any:
    key, value = event
    return await producer.send(topic, value.replace(TIME, b"%d" % (time.time_ns() // 1_000_000)), key)


def ask_rates(url: str, targets: int, per_s: int, seconds: float, report: Connection) -> None:
    """Ask for the rates of one target after the other at fixed times; report the seconds from those times on."""
    report.send(asyncio.run(_ask_rates(url, targets, per_s, seconds)))


async def _ask_rates(url: str, targets: int, per_s: int, seconds: float) -> list[float]:
    idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await _connect(url))
    took: list[float] = []

    async def ask(number: int, due_s: float) -> None:
        reader, writer = await idle.get()
        path = f"/v1/targets/{quote(name_of(number * 7919 % targets), safe='')}/rates"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode())
        status, _ = await _read(reader)
        assert status == 200, (status, path)
        took.append(time.monotonic() - due_s)
        idle.put_nowait((reader, writer))

    began, waiting = time.monotonic(), []
    for number in range(int(per_s * seconds)):
        due_s = began + number / per_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        waiting.append(asyncio.create_task(ask(number, due_s)))
    await asyncio.gather(*waiting)
    return took


def serve_static(report: Connection) -> None:
    """Serve one answer at every address, as large as one of rates: what the machine has left for a server."""
    asyncio.run(_serve_static(report))


async def _serve_static(report: Connection) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * STATIC_BYTES)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    report.send(f"http://127.0.0.1:{runner.addresses[0][1]}")
    await asyncio.Event().wait()


def listen(url: str, number: int, report: Connection) -> None:
    """Listen to the commands with so many connections; report when each has its first, in ms since the epoch."""
    asyncio.run(_listen(url, number, report))


async def _listen(url: str, number: int, report: Connection) -> None:
    connections = []
    for _ in range(number):
        reader, writer = await _connect(url)
        writer.write(f"GET /v1/events?kind=quarantine HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode())
        await reader.readuntil(b"event: status")
        connections.append((reader, writer))  # a writer that nobody holds closes its connection
    report.send(number)

    async def first(reader: asyncio.StreamReader) -> float:
        await reader.readuntil(b"event: quarantine")
        return time.time() * 1000

    async with asyncio.timeout(60):
        report.send(await asyncio.gather(*(first(reader) for reader, _ in connections)))


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(url)
    return await asyncio.open_connection(place.hostname, place.port, limit=1 << 22)


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(_field(head, b"content-length: "))
    return int(head[9:12]), await reader.readexactly(length)


def _field(head: bytes, name: bytes) -> bytes:
    place = head.lower().index(name) + len(name)
    return head[place : head.index(b"\r", place)]
