"""A fleet to look at: targets with an hour of traffic, some of them with breaks, published as scrapers would."""

import random
import time
from collections.abc import Iterator

import msgspec
from aiokafka import AIOKafkaProducer

from halt400.events import response_event
from halt400.records import ResponseEvent
from streams.settings import KafkaSettings

__all__ = ["publish_traffic"]

BREAKS = {
    "api.shop.example": ('{"query": "{ product(id: %d) { name, price } }", }', "application/json", "2.4.0"),
    "maps.example": ("a=%d&b=%%zz", "application/x-www-form-urlencoded", "2025.11.3"),
    "booking.example": ("<search><hotel id='%d'></search>", "application/xml", "7.1.2"),
}
QUIET = (
    "api.news.example", "auctions.example", "cars.example", "catalogue.example:8443", "flights.example",
    "groceries.example", "jobs.example", "library.example", "listings.example", "lyrics.example", "music.example",
    "parts.example", "patents.example", "pharmacy.example", "prices.example", "recipes.example", "reviews.example",
    "scores.example", "search.example", "stocks.example", "tickets.example", "trains.example", "weather.example",
)  # fmt: skip
GOOD_BODY = '{"query": "{ product(id: %d) { name, price } }"}'
REFUSED = (
    (b'{"time": 1765432100000, "status": 400}', b"api.shop.example"),
    (b"<html>no event</html>", b"maps.example"),
)
HOUR_MS = 3_600_000
BREAK_MS = 240_000
"""How long ago the breaks begin."""
SEED = 7


def event(target: str, time_ms: int, number: int, status: int, body: str, kind: str, release: str) -> ResponseEvent:
    """One response of a job of `target`."""
    job = f"extract-{number % 3:03}"
    return response_event(
        method="POST",
        url=f"https://{target}/v2/search?page={number % 50}",
        request_headers=[("Host", target), ("User-Agent", "shop/2"), ("Accept", "*/*"), ("Content-Type", kind)],
        request_body=body.encode(),
        status=status,
        response_headers=[("Content-Type", "application/json"), ("Server", "nginx")],
        response_body=b'{"error": "Bad Request"}' if status == 400 else b'{"ok": true}',
        target=target,
        job_id=job,
        release=release,
        worker=f"worker-{number % 2}",
        region="eu-central-1",
        proxy_id=f"proxy-{number % 7}",
        proxy_pool="residential",
        client="httpx",
        client_version="0.28.1",
        time_ms=time_ms,
    )


def traffic(now_ms: int) -> Iterator[ResponseEvent]:
    """The events of the last hour in the order of their times."""
    chance = random.Random(SEED)  # noqa: S311
    times = sorted(
        (now_ms - int(HOUR_MS * chance.random()), target)
        for target in (*BREAKS, *QUIET)
        for _ in range(300 + chance.randrange(400))
    )
    for number, (time_ms, target) in enumerate(times):
        broken = BREAKS.get(target)
        if broken is not None and time_ms > now_ms - BREAK_MS:
            body, kind, release = broken
            yield event(target, time_ms, number, 400, body % number, kind, release)
        else:
            status = 400 if target == "reviews.example" and not chance.randrange(60) else 200
            yield event(target, time_ms, number, status, GOOD_BODY % number, "application/json", "2.3.0")


async def publish_traffic(kafka: KafkaSettings) -> None:
    """Publish the last hour."""
    async with AIOKafkaProducer(**kafka.connection.client_options(), acks="all", linger_ms=10) as producer:
        for found in traffic(time.time_ns() // 1_000_000):
            await producer.send(kafka.topic("responses"), msgspec.json.encode(found), found.target.encode())
        for value, key in REFUSED:
            await producer.send(kafka.topic("responses"), value, key)
        await producer.flush()
