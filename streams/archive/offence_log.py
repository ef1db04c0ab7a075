"""Reads the topic `offences` from its beginning to the end that it had when reading began."""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from halt400.kafka.clients import broker_unavailable, missing_topic
from halt400.kafka.read_to_end import read_to_end
from streams import topics
from streams.settings import KafkaSettings

__all__ = ["offence_values"]


async def offence_values(kafka: KafkaSettings, only: int | None = None) -> AsyncIterator[tuple[int, bytes | None]]:
    """Partition and value of every record of `offences`, partition by partition, without joining a group.

    Parameters
    ----------
    only
        Read only this partition.

    Raises
    ------
    BrokerUnavailable
        Kafka does not answer.
    TopicMismatch
        There is no such topic.
    """
    topic = kafka.topic(topics.OFFENCES)
    consumer = AIOKafkaConsumer(enable_auto_commit=False, **kafka.connection.client_options())
    try:
        await consumer.start()
        if topic not in await consumer.topics():
            raise missing_topic(topic, kafka.connection)
        partitions = [TopicPartition(topic, number) for number in range(kafka.partitions) if only in (None, number)]
        consumer.assign(partitions)
        async for record in read_to_end(consumer, await consumer.beginning_offsets(partitions)):
            yield record.partition, record.value
    except (KafkaError, OSError) as error:
        raise broker_unavailable(kafka.bootstrap_servers, error) from error
    finally:
        await consumer.stop()
