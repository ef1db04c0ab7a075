"""Records of one topic in batches by partition: what a batch costs, its records would each cost one by one.

Under load several values of a partition go into one record, an envelope: a JSON array of them, without a key. What a
record costs whoever reads it, its values would each cost.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaProducer

from halt400.kafka.clients import CachedPartitioner, submit_batch

__all__ = ["Batches"]

Item = TypeVar("Item")

LEAST_IN_ENVELOPE = 16
"""Fewer values that wait for a partition go as records of their own."""


class _Open(Generic[Item]):
    """What waits for a partition: the batch, the items in it, and the values that are not in it yet."""

    __slots__ = ("batch", "items", "waiting", "waiting_bytes")

    def __init__(self, batch: Any) -> None:
        self.batch, self.items = batch, list[Item]()
        self.waiting: list[tuple[bytes, bytes, Item]] = []
        self.waiting_bytes = 0


class Batches(Generic[Item]):
    """Fills a batch for each partition, and submits it when it is full; `submit` submits what is open.

    It needs an event loop, and does not wait.

    Parameters
    ----------
    producer
        A producer that knows the topic; its `max_batch_size` is that of a batch.
    topic
        Where the records go.
    on_done
        Called with the items of each batch and the future of its acknowledgement, when that is done.
    envelope_bytes
        An envelope is closed at this size; a larger value has a record of its own. 0: no envelopes.
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partitioner: CachedPartitioner,
        on_done: Callable[[list[Item], "asyncio.Future[Any]"], None],
        *,
        envelope_bytes: int,
    ) -> None:
        self._producer, self._topic, self._partitioner, self._on_done = producer, topic, partitioner, on_done
        self._most_bytes = envelope_bytes
        self._open: dict[int, _Open[Item]] = {}
        self._partitions: list[int] = []

    def add(self, key: bytes, value: bytes, item: Item, *, alone: bool = False) -> None:
        """Add one record to the batch of its key's partition, or as a batch of its own."""
        if not self._partitions:
            # Partitions may be added while it runs, so they are looked at for each round of batches.
            self._partitions = sorted(self._producer.client.cluster.partitions_for_topic(self._topic) or {0})
        partition = self._partitioner(key, self._partitions, self._partitions)
        found = self._open.get(partition)
        if found is None:
            found = self._open[partition] = _Open(self._producer.create_batch())
        if alone:
            self._submit(partition, found)
            self._append(partition, found, key, value, [item])
            self._submit(partition, found)
            return
        if found.waiting_bytes + len(value) >= self._most_bytes:
            self._close_envelope(partition, found)
        found.waiting.append((key, value, item))
        found.waiting_bytes += len(value) + 1

    def submit(self) -> None:
        """Submit every batch that is open."""
        for partition, found in self._open.items():
            self._submit(partition, found)
        self._open.clear()
        self._partitions = []

    def _submit(self, partition: int, found: _Open[Item]) -> None:
        self._close_envelope(partition, found)
        self._send(partition, found)

    def _close_envelope(self, partition: int, found: _Open[Item]) -> None:
        """Append the values that wait: as one record where they are many, else each as a record of its own."""
        waiting, found.waiting, found.waiting_bytes = found.waiting, [], 0
        if len(waiting) >= LEAST_IN_ENVELOPE:
            array = b"[%b]" % b",".join([value for _, value, _ in waiting])
            self._append(partition, found, None, array, [item for _, _, item in waiting])
        else:
            for key, value, item in waiting:
                self._append(partition, found, key, value, [item])

    def _append(self, partition: int, found: _Open[Item], key: bytes | None, value: bytes, items: list[Item]) -> None:
        if found.batch.append(key=key, value=value, timestamp=None) is None:
            self._send(partition, found)
            found.batch.append(key=key, value=value, timestamp=None)
        found.items += items

    def _send(self, partition: int, found: _Open[Item]) -> None:
        items = found.items
        if items:
            sent = submit_batch(self._producer, found.batch, self._topic, partition)
            sent.add_done_callback(lambda done: self._on_done(items, done))
            found.batch, found.items = self._producer.create_batch(), []
