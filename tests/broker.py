"""What is on the broker, read from outside: the records of topics, and how far a group has committed them."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from halt400.records import ResponseEvent
from streams.processing.envelopes import event_values

__all__ = ["BrokerView", "decoded", "read_to_end"]


def decoded(values: Iterable[bytes | None]) -> list[ResponseEvent]:
    """The events of records of `responses`, each of which has one or an array of them."""
    return [msgspec.json.decode(one, type=ResponseEvent) for value in values for one in event_values(value)]


@asynccontextmanager
async def _consumer(bootstrap_servers: str, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False, **options)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _partitions(topics: Iterable[str], partitions: int) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for topic in topics for number in range(partitions)]


async def read_to_end(bootstrap_servers: str, topic: str, partitions: int) -> list[ConsumerRecord[bytes, bytes]]:
    """Every record of a topic, to its end at the time of the call."""
    async with _consumer(bootstrap_servers, max_partition_fetch_bytes=16 * 1024 * 1024) as consumer:
        tps = _partitions([topic], partitions)
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        records: list[ConsumerRecord[bytes, bytes]] = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records += found
        return records


class BrokerView:
    """What topics hold, what consumer groups have committed, who is in them; on two connections kept for a whole test.

    A test asks again and again: a topic is read on from where the last call ended.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._stack = AsyncExitStack()
        self._reading = asyncio.Lock()
        self._records: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
        self._positions: dict[TopicPartition, int] = {}

    async def __aenter__(self) -> Self:
        options = {"max_partition_fetch_bytes": 16 * 1024 * 1024}
        self._consumer = await self._stack.enter_async_context(_consumer(self._bootstrap_servers, **options))
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers)
        await self._admin.start()
        self._stack.push_async_callback(self._admin.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def read(self, topic: str, partitions: int) -> list[ConsumerRecord[bytes, bytes]]:
        """Every record of a topic, to its end at the time of the call; none that was deleted by then."""
        tps = _partitions([topic], partitions)
        async with self._reading:
            starts = await self._consumer.beginning_offsets(tps)
            ends = await self._consumer.end_offsets(tps)
            for tp in tps:
                self._records[tp] = [found for found in self._records.get(tp, []) if found.offset >= starts[tp]]
                self._positions[tp] = max(starts[tp], self._positions.get(tp, 0))
            if any(self._positions[tp] < ends[tp] for tp in tps):
                await self._read_on(ends)
            return [record for tp in tps for record in self._records[tp]]

    async def _read_on(self, ends: dict[TopicPartition, int]) -> None:
        consumer = self._consumer
        if consumer.assignment() == set(ends):
            consumer.resume(*ends)
        else:
            consumer.assign(list(ends))
        for tp in ends:
            consumer.seek(tp, self._positions[tp])
        while any(self._positions[tp] < end for tp, end in ends.items()):
            for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                self._records[tp] += records
            for tp in ends:
                self._positions[tp] = await consumer.position(tp)
        consumer.pause(*ends)  # else it goes on asking for more

    async def offsets(
        self, group: str, topics: Iterable[str], partitions: int
    ) -> dict[TopicPartition, tuple[int, int]]:
        """Partition -> (offset that the group has committed, 0 where none; end of the log)."""
        tps = _partitions(topics, partitions)
        ends = await self._consumer.end_offsets(tps)
        committed = await self._committed(group, tps)
        return {tp: (max(0, committed[tp].offset), ends[tp]) for tp in tps}

    async def members(self, group: str) -> int:
        """How many members the broker counts in a group."""
        [response] = await self._admin.describe_consumer_groups([group])
        return len(response.to_object()["groups"][0]["members"])

    async def _committed(self, group: str, tps: list[TopicPartition]) -> dict[TopicPartition, Any]:
        while True:
            try:
                found = await self._admin.list_consumer_group_offsets(group, partitions=tps)
            except KafkaError as error:
                if not error.retriable:
                    raise
                found = {}
            if len(found) == len(tps):
                return found
            # The first group of a new broker has no coordinator for a moment, or one that is still loading: no answer.
            await asyncio.sleep(0.05)
