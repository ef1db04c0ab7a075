"""Publishes events at the pace of their own times, in a process of its own; prints how many, and how many 400s."""

import argparse
import json
import random
import time
from collections.abc import Iterator

from confluent_kafka import KafkaException, Producer

from benchmarks.events import Generated, generate
from streams.topics import partition_of

__all__ = ["main"]

STEPS_PER_S = 50
QUEUE_BYTES = 256 * 1024
HOT_TARGET = "api.shop-0000.example"


def main(arguments: list[str]) -> int:
    """Publish; 0 when the broker has all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks load_publisher")
    for name in ("servers", "topic"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--past-s", type=int, default=0, help="at once, with times from so long ago up to now")
    for name, kind in {"partitions": int, "per-s": int, "seconds": float, "targets": int, "bad-ratio": float}.items():
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--hot", action="store_true", help="half of all events are of one target")
    given = parser.parse_args(arguments)
    counted, late_s = _publish(given)
    print(json.dumps({"events": sum(counted), "bad_requests": counted[1], "late_s": late_s}), flush=True)
    return 0


def _publish(given: argparse.Namespace) -> tuple[list[int], float]:
    """Publish all; [others, 400s] and how far the pace fell behind at the most."""
    producer = Producer(
        {
            "bootstrap.servers": given.servers,
            "acks": "all",
            "linger.ms": 20,
            "batch.size": QUEUE_BYTES,
            "queue.buffering.max.kbytes": 256 * 1024,
        }
    )
    start, count, late_s = time.time(), [0, 0], 0.0
    places: dict[bytes, int] = {}
    step = max(1, given.per_s // STEPS_PER_S)
    for sent, event in enumerate(_events(given, int(start * 1000))):
        if given.past_s:
            producer.poll(0.0)
        elif sent % step == 0:
            ahead_s = start + sent / given.per_s - time.time()
            late_s = max(late_s, -ahead_s)
            producer.poll(max(0.0, ahead_s))
            while (ahead_s := start + sent / given.per_s - time.time()) > 0:
                time.sleep(ahead_s)
        place = places.get(event.key)
        if place is None:
            place = places[event.key] = partition_of(event.key, given.partitions)
        _produce(producer, given.topic, event, place)
        count[event.status == 400] += 1
    producer.flush(120)
    return count, late_s


def _produce(producer: Producer, topic: str, event: Generated, partition: int) -> None:
    while True:
        try:
            producer.produce(topic, event.value, event.key, partition)
        except BufferError:
            producer.poll(0.05)
        except KafkaException:
            producer.poll(0.5)
        else:
            return


def _events(given: argparse.Namespace, start_ms: int) -> Iterator[Generated]:
    count = int(given.per_s * given.seconds)
    events = generate(
        count,
        targets=given.targets,
        bad_request_ratio=given.bad_ratio,
        seed=start_ms & 0x7FFFFFFF,
        start_ms=start_ms - given.past_s * 1000,
        events_per_s=count // given.past_s if given.past_s else given.per_s,
        jobs_per_target=1 if given.targets > 10_000 else 4,
    )
    if not given.hot:
        return events
    return _with_hot_target(events)


def _with_hot_target(events: Iterator[Generated]) -> Iterator[Generated]:
    """Half of the events, drawn at random, are of one target."""
    draw = random.Random(400)
    for event in events:
        if event.target == HOT_TARGET or draw.random() < 0.5:
            yield event
            continue
        value = event.value.replace(event.target.encode(), HOT_TARGET.encode())
        yield Generated(HOT_TARGET.encode(), value, HOT_TARGET, event.status, event.job_id)
