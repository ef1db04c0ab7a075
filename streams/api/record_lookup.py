"""Reads single records of a topic by partition and offset, for what is too large to be kept in memory."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from halt400.errors import BrokerUnavailable
from halt400.kafka.clients import close_consumer, closed_on_failure, load_partitions
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet
from halt400.start_stop import StartStop

__all__ = ["RecordLookup"]

LOOKUP_TIMEOUT_S = 5.0


class RecordLookup(StartStop):
    """Reads single records of any topic by partition and offset; connects when the first is asked for."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    async def stop(self) -> None:
        """Close the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_consumer(consumer)

    async def record(self, topic: str, partition: int, offset: int) -> Any | None:
        """Return one record; None where the topic has none at this place, or not any longer.

        Raises
        ------
        BrokerUnavailable
            Kafka does not answer.
        """
        place = TopicPartition(topic, partition)
        try:
            async with self._lock, asyncio.timeout(LOOKUP_TIMEOUT_S):
                with quiet():
                    return await self._record(place, offset)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.stop()
            raise BrokerUnavailable(
                f"Kafka at {self._kafka.servers} did not return {topic}, partition {partition}, offset {offset} "
                f"({error or 'no answer'}).",
                "Try again.",
            ) from error

    async def _record(self, place: TopicPartition, offset: int) -> Any | None:
        consumer = await self._connected()
        if place.partition >= await load_partitions(consumer, place.topic):
            return None
        consumer.assign([place])
        first, end = (await consumer.beginning_offsets([place]))[place], (await consumer.end_offsets([place]))[place]
        if not first <= offset < end:
            return None
        consumer.seek(place, offset)
        record = await consumer.getone(place)
        return record if record.offset == offset else None

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            options = {**self._kafka.client_options(), "group_id": None, "enable_auto_commit": False}
            consumer = AIOKafkaConsumer(client_id="halt400-lookup", max_partition_fetch_bytes=64 * 1024, **options)
            async with closed_on_failure(consumer, self._kafka):
                await consumer.start()
            self._consumer = consumer
        return self._consumer
