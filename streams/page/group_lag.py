"""How far the workers have read: the committed offsets of their groups beside the ends of the topics."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from halt400.errors import BrokerUnavailable
from halt400.kafka.clients import close_consumer, load_partitions
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet
from streams import topics

__all__ = ["GroupLag", "PartitionLag"]

GROUPS = {"worker": (topics.RESPONSES, topics.OPERATIONS), "follow-up": (topics.OFFENCES,)}
"""The groups of `streams.worker`, and what they read."""
KEPT_S = 2.0
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class PartitionLag:
    """One partition; `committed` is None where the group has committed nothing yet."""

    group: str
    topic: str
    partition: int
    committed: int | None
    end: int

    @property
    def lag(self) -> int:
        """Records that are not committed yet."""
        return self.end - (self.committed or 0)


@dataclass
class GroupLag:
    """Asks the broker at most every two seconds."""

    kafka: KafkaConnection
    _known: list[PartitionLag] = field(default_factory=list)
    _asked_s: float = -KEPT_S
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self) -> list[PartitionLag]:
        """Return every partition that the groups read.

        Raises
        ------
        BrokerUnavailable
            Kafka does not answer.
        """
        async with self._lock:
            if time.monotonic() - self._asked_s >= KEPT_S:
                try:
                    async with asyncio.timeout(TIMEOUT_S):
                        with quiet():
                            self._known = await self._ask()
                except (KafkaError, OSError, TimeoutError) as error:
                    why = error or "no answer"
                    raise BrokerUnavailable(
                        f"Kafka at {self.kafka.servers} does not say what its groups have read ({why}).", "Try again."
                    ) from error
                self._asked_s = time.monotonic()
            return self._known

    async def _ask(self) -> list[PartitionLag]:
        options = self.kafka.client_options()
        consumer = AIOKafkaConsumer(group_id=None, enable_auto_commit=False, client_id="halt400-lag", **options)
        admin = AIOKafkaAdminClient(client_id="halt400-lag", **options)
        try:
            await consumer.start()
            await admin.start()
            found = []
            for group, names in GROUPS.items():
                places = [
                    TopicPartition(topic, number)
                    for topic in map(self.kafka.topic, names)
                    for number in range(await load_partitions(consumer, topic))
                ]
                ends = await consumer.end_offsets(places)
                committed = await _committed(admin, self.kafka.topic(group), places)
                for place in places:
                    offset = committed[place].offset if place in committed else -1
                    known = None if offset < 0 else offset
                    found.append(PartitionLag(group, place.topic, place.partition, known, ends[place]))
            return found
        finally:
            await close_consumer(consumer)
            await admin.close()


async def _committed(admin: AIOKafkaAdminClient, group: str, places: list[TopicPartition]) -> dict[TopicPartition, Any]:
    """What a group has committed; nothing where it has no coordinator, for no worker has run yet."""
    try:
        return dict(await admin.list_consumer_group_offsets(group, partitions=places))
    except KafkaError as error:
        if error.retriable:
            return {}
        raise
