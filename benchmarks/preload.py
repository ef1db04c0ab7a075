"""Put generated events on a topic, fast, and remember what is in them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer

from benchmarks.events import Generated
from streams.settings import KafkaSettings
from streams.topics import partition_of

__all__ = ["Expected", "preload"]

BATCH_BYTES = 512 * 1024
BATCHES_IN_FLIGHT = 16


@dataclass
class Expected:
    """What must be counted, whoever counts: events by target, 400s by target, the jobs that sent one."""

    events: int = 0
    value_bytes: int = 0
    by_target: Counter[str] = field(default_factory=Counter)
    bad_requests: Counter[str] = field(default_factory=Counter)
    bad_jobs: set[tuple[str, str]] = field(default_factory=set)


async def preload(
    kafka: KafkaSettings,
    topic: str,
    partitions: int,
    events: Iterable[Generated],
    on_progress: Callable[[int], None],
) -> Expected:
    """Produce every event to its partition (murmur2 of its target) and wait until the broker has all of them."""
    expected = Expected()
    of_key: dict[bytes, int] = {}
    timestamp_ms = time.time_ns() // 1_000_000
    producer = AIOKafkaProducer(
        **kafka.connection.client_options(), acks="all", max_batch_size=BATCH_BYTES, max_request_size=4 * BATCH_BYTES
    )
    await producer.start()
    try:
        batches = {number: producer.create_batch() for number in range(partitions)}
        sent = deque[object]()
        for key, value, target, status, job_id in events:
            partition = of_key.get(key)
            if partition is None:
                partition = of_key[key] = partition_of(key, partitions)
            if batches[partition].append(key=key, value=value, timestamp=timestamp_ms) is None:
                sent.append(await producer.send_batch(batches[partition], topic, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=timestamp_ms)
                if len(sent) > BATCHES_IN_FLIGHT:
                    await sent.popleft()  # type: ignore[misc]
                on_progress(expected.events)
            expected.events += 1
            expected.value_bytes += len(value)
            expected.by_target[target] += 1
            if status == 400:
                expected.bad_requests[target] += 1
                expected.bad_jobs.add((target, job_id))
        for partition, batch in batches.items():
            if batch.record_count():
                sent.append(await producer.send_batch(batch, topic, partition=partition))
        for future in sent:
            await future  # type: ignore[misc]
    finally:
        await producer.stop()
    on_progress(expected.events)
    return expected
