"""Bursts of odd traffic: records that are no events, the same events twice, events whose times are not in order."""

import asyncio
import random
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from benchmarks.events import Generated, generate

if TYPE_CHECKING:
    from chaos.stage import CampaignStage

__all__ = ["canary", "duplicates", "poison", "reordered"]

BURST = 1_000
SPREAD_MS = 600_000
LARGE_BYTES = int(7.9 * 1024 * 1024)


async def publish(stage: "CampaignStage", records: Iterable[tuple[bytes | None, bytes | None]]) -> None:
    """Publish (key, value) pairs to `responses`; returns when the broker has them."""
    assert stage.producer is not None
    topic = stage.direct.topic("responses")
    await asyncio.gather(*[await stage.producer.send(topic, value, key=key) for key, value in records])


async def canary(stage: "CampaignStage", number: int) -> None:
    """Publish the first and only 400 of a target of its own: it leads to a command, sooner or later."""
    target = f"canary-{number:05d}.example"
    event = {
        "id": f"canary-{number}",
        "time": int(time.time() * 1000),
        "target": target,
        "job_id": "canary",
        "request": {"method": "GET", "url": f"https://{target}/"},
        "response": {"status": 400},
    }
    await publish(stage, [(target.encode(), msgspec.json.encode(event))])


async def poison(stage: "CampaignStage") -> None:
    """Publish what cannot be counted, and one 400 that is as large as may be."""
    target = b"api.poison.example"
    good = msgspec.json.decode(_some(1, 1, 0.0)[0].value) | {"target": target.decode()}
    spoiled = [
        None, b"", b"\0", b"{", b"[]", b"null", b'""', b"1e999", b"\xff\xfe", b'{"id":1}', b"[" * 100_000, b"{}",
        *(msgspec.json.encode(good | change) for change in (
            {"time": -1}, {"time": 2**70}, {"time": "now"}, {"id": ""}, {"id": None}, {"target": "a/b"}, {"target": ""},
            {"target": "other.example"}, {"target": "\u202eevil"}, {"job_id": "j" * 256}, {"response": {"status": 99}},
            {"response": {"status": 1000}}, {"response": {"status": "400"}}, {"response": None}, {"version": 2},
            {"response": {"status": 400}, "request": {"method": "GET"}}, {"attempt": 0}, {"response": {}},
        )),
    ]  # fmt: skip
    if stage.earlier is None:
        # Of an array each event stands for itself; the first workers took no arrays.
        spoiled += map(msgspec.json.encode, ([good, good | {"time": -1}, good | {"target": "other.example"}, 1], [1]))
    large = good | {
        "time": int(time.time() * 1000),
        "id": f"large-{time.time_ns()}",
        "request": {"method": "POST", "url": "https://api.poison.example/", "body": "x" * LARGE_BYTES},
        "response": {"status": 400},
    }
    await publish(stage, [*((target, value) for value in spoiled), (None, b"{"), (target, msgspec.json.encode(large))])


async def duplicates(stage: "CampaignStage", seed: int) -> None:
    """Publish events twice, the second time in another order."""
    events = _some(BURST, seed, 0.01)
    again = random.Random(seed).sample(events, len(events))
    await publish(stage, [(event.key, event.value) for event in (*events, *again)])


async def reordered(stage: "CampaignStage", seed: int) -> None:
    """Publish events whose times lie up to five minutes before and after now, in any order."""
    events = _some(2 * BURST, seed, 0.005, spread_ms=SPREAD_MS)
    random.Random(seed).shuffle(events)
    await publish(stage, [(event.key, event.value) for event in events])


def _some(count: int, seed: int, bad_request_ratio: float, spread_ms: int = 1) -> list[Generated]:
    start_ms = int(time.time() * 1000) - spread_ms // 2
    per_s = max(1, count * 1000 // spread_ms)
    return list(
        generate(
            count,
            targets=50,
            bad_request_ratio=bad_request_ratio,
            seed=seed,
            start_ms=start_ms,
            events_per_s=per_s,
        )
    )
