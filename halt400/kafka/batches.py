"""Records of one topic in batches by partition: what a batch costs, its records would each cost one by one."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from aiokafka import AIOKafkaProducer

from halt400.kafka.clients import CachedPartitioner, submit_batch

__all__ = ["Batches"]

Item = TypeVar("Item")


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
    """

    def __init__(
        self,
        producer: AIOKafkaProducer,
        topic: str,
        partitioner: CachedPartitioner,
        on_done: Callable[[list[Item], "asyncio.Future[Any]"], None],
    ) -> None:
        self._producer, self._topic, self._partitioner, self._on_done = producer, topic, partitioner, on_done
        self._open: dict[int, tuple[Any, list[Item]]] = {}
        self._partitions: list[int] = []

    def add(self, key: bytes, value: bytes, item: Item, *, alone: bool = False) -> None:
        """Add one record to the batch of its key's partition, or as a batch of its own."""
        if not self._partitions:
            # Partitions may be added while it runs, so they are looked at for each round of batches.
            self._partitions = sorted(self._producer.client.cluster.partitions_for_topic(self._topic) or {0})
        partition = self._partitioner(key, self._partitions, self._partitions)
        if alone and partition in self._open:
            self._submit(partition)
        batch, items = self._open.get(partition) or self._begin(partition)
        if batch.append(key=key, value=value, timestamp=None) is None:
            self._submit(partition)
            batch, items = self._begin(partition)
            batch.append(key=key, value=value, timestamp=None)
        items.append(item)
        if alone:
            self._submit(partition)

    def submit(self) -> None:
        """Submit every batch that is open."""
        for partition in list(self._open):
            self._submit(partition)
        self._partitions = []

    def _begin(self, partition: int) -> tuple[Any, list[Item]]:
        found: tuple[Any, list[Item]] = self._producer.create_batch(), []
        self._open[partition] = found
        return found

    def _submit(self, partition: int) -> None:
        batch, items = self._open.pop(partition)
        sent = submit_batch(self._producer, batch, self._topic, partition)
        sent.add_done_callback(lambda done: self._on_done(items, done))
