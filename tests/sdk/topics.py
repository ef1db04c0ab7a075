"""Topics of the tests: made, written and grown on the real broker."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords


@asynccontextmanager
async def admin_of(kafka: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def create(
    kafka: str, *topics: str, partitions: int = 4, compacted: bool = True, largest_bytes: int = 9 * 1024 * 1024
) -> None:
    """Make topics, and return when the broker lists them."""
    configs = {"cleanup.policy": "compact"} if compacted else {}
    configs["max.message.bytes"] = str(largest_bytes)
    async with admin_of(kafka) as admin:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs) for topic in topics])


async def delete(kafka: str, *topics: str) -> None:
    async with admin_of(kafka) as admin:
        await admin.delete_topics(list(topics))


async def grow(kafka: str, topic: str, partitions: int) -> None:
    async with admin_of(kafka) as admin:
        await admin.create_partitions({topic: NewPartitions(partitions)})


async def write(kafka: str, topic: str, records: Iterable[tuple[bytes, bytes | None]]) -> None:
    """Write records and return when the broker has acknowledged all of them."""
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_request_size=9 * 1024 * 1024) as producer:
        for sent in [await producer.send(topic, value, key) for key, value in records]:
            await sent


async def read(kafka: str, topic: str, start: int = 0) -> list[bytes]:
    """Everything that a topic of one partition holds at this moment, from an offset on."""
    place = TopicPartition(topic, 0)
    values: list[bytes] = []
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, start)
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                values += [record.value for record in records]
    return values


async def batches(kafka: str, topic: str) -> list[int]:
    """How many records each batch of a topic of one partition has, in order."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=kafka) as consumer:
        leader = consumer._client.cluster.leader_for_partition(TopicPartition(topic, 0))
        request = FetchRequest(0, 1, 9_000_000, 0, [(topic, [(0, 0, 9_000_000)])])
        answer = await consumer._client.send(leader, request)
    [(_, [(*_, messages)])] = answer.topics
    records, found = MemoryRecords(messages), []
    while records.has_next():
        found.append(sum(1 for _ in records.next_batch()))
    return found
