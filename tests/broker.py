"""What is on the broker, read from outside: the records of topics, and how far a group has committed them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.structs import ConsumerRecord

__all__ = ["members", "offsets", "read_to_end"]


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


async def offsets(
    bootstrap_servers: str, group: str, topics: Iterable[str], partitions: int
) -> dict[TopicPartition, tuple[int, int]]:
    """Partition -> (offset that the group has committed, 0 where none; end of the log)."""
    async with _consumer(bootstrap_servers, group_id=group) as consumer:
        tps = _partitions(topics, partitions)
        ends = await consumer.end_offsets(tps)
        return {tp: (await consumer.committed(tp) or 0, ends[tp]) for tp in tps}


async def members(bootstrap_servers: str, group: str) -> int:
    """How many members the broker counts in a group."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        [response] = await admin.describe_consumer_groups([group])
        return len(response.to_object()["groups"][0]["members"])
    finally:
        await admin.close()
