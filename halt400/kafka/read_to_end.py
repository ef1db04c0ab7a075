"""Reads what a topic has at the moment, partition by partition, with a consumer that belongs to the caller."""

from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

__all__ = ["read_to_end"]

_POLL_MS = 500


async def read_to_end(
    consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int]
) -> AsyncIterator["ConsumerRecord[bytes | None, bytes | None]"]:
    """Yield the records from these positions up to the end that each partition has at the call.

    Parameters
    ----------
    consumer
        Started, with these partitions assigned by hand.
    positions
        The first offset to read of each partition.
    """
    partitions = list(positions)
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        consumer.pause(*partitions)
        consumer.resume(partition)
        consumer.seek(partition, positions[partition])
        while await consumer.position(partition) < ends[partition]:
            for record in (await consumer.getmany(partition, timeout_ms=_POLL_MS)).get(partition, ()):
                if record.offset < ends[partition]:
                    yield record
