"""Put generated events on a topic, fast, alone or in envelopes, and remember what is in them."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer

from benchmarks.events import Generated
from streams.settings import KafkaSettings
from streams.topics import partition_of

__all__ = ["Expected", "preload"]

BATCH_BYTES = 512 * 1024
BATCHES_IN_FLIGHT = 16
ENVELOPE_BYTES = 64 * 1024
"""As the publisher closes them."""


@dataclass
class Expected:
    """What must be counted, whoever counts: events by target, 400s by target, the jobs that sent one.

    `records` is how many hold the events.
    """

    events: int = 0
    records: int = 0
    value_bytes: int = 0
    by_target: Counter[str] = field(default_factory=Counter)
    bad_requests: Counter[str] = field(default_factory=Counter)
    bad_jobs: set[tuple[str, str]] = field(default_factory=set)

    def add(self, event: Generated) -> None:
        """Count one event."""
        self.events += 1
        self.value_bytes += len(event.value)
        self.by_target[event.target] += 1
        if event.status == 400:
            self.bad_requests[event.target] += 1
            self.bad_jobs.add((event.target, event.job_id))


class _Batches:
    """Fills a batch for each partition, and sends it when it is full."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic
        self._open: dict[int, Any] = {}
        self._sent = deque[Any]()
        self._timestamp_ms = time.time_ns() // 1_000_000

    async def append(self, partition: int, key: bytes | None, value: bytes) -> bool:
        """Append a record; whether a batch was sent."""
        batch = self._open.get(partition)
        if batch is None:
            batch = self._open[partition] = self._producer.create_batch()
        if batch.append(key=key, value=value, timestamp=self._timestamp_ms) is not None:
            return False
        await self._send(partition)
        await self.append(partition, key, value)
        if len(self._sent) > BATCHES_IN_FLIGHT:
            await self._sent.popleft()
        return True

    async def _send(self, partition: int) -> None:
        batch = self._open.pop(partition)
        self._sent.append(await self._producer.send_batch(batch, self._topic, partition=partition))

    async def finish(self) -> None:
        """Send what is open, and wait until the broker has all."""
        for partition in list(self._open):
            await self._send(partition)
        for future in self._sent:
            await future


async def preload(
    kafka: KafkaSettings,
    topic: str,
    partitions: int,
    events: Iterable[Generated],
    on_progress: Callable[[int], None],
    *,
    envelopes: bool = False,
) -> Expected:
    """Produce every event to its partition (murmur2 of its target) and wait until the broker has all of them.

    With `envelopes` the events of a partition share records of 64 KiB.
    """
    expected = Expected()
    of_key: dict[bytes, int] = {}
    producer = AIOKafkaProducer(
        **kafka.connection.client_options(), acks="all", max_batch_size=BATCH_BYTES, max_request_size=4 * BATCH_BYTES
    )
    await producer.start()
    try:
        batches = _Batches(producer, topic)
        shared: defaultdict[int, list[bytes]] = defaultdict(list)
        sizes = Counter[int]()

        async def close(partition: int) -> None:
            values, sizes[partition] = shared.pop(partition), 0
            expected.records += 1
            await batches.append(partition, None, b"[%b]" % b",".join(values))

        for event in events:
            partition = of_key.get(event.key)
            if partition is None:
                partition = of_key[event.key] = partition_of(event.key, partitions)
            if envelopes:
                if sizes[partition] + len(event.value) >= ENVELOPE_BYTES:
                    await close(partition)
                shared[partition].append(event.value)
                sizes[partition] += len(event.value) + 1
            else:
                expected.records += 1
                if await batches.append(partition, event.key, event.value):
                    on_progress(expected.events)
            expected.add(event)
        for partition in list(shared):
            await close(partition)
        await batches.finish()
    finally:
        await producer.stop()
    on_progress(expected.events)
    return expected
