"""Reads `responses.dlq`: the newest dead letters or all of them, and which of them were published again."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from halt400.kafka.clients import broker_unavailable, load_partitions, missing_topic
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.read_to_end import read_to_end
from streams import topics
from streams.dead_letters.refused_record import RefusedRecord, mark_of, refused_record

__all__ = ["ReadLetters", "read_letters"]


class ReadLetters(NamedTuple):
    """What was read: the dead letters without their values, the oldest first, and the ids of those published again."""

    letters: list[RefusedRecord]
    redriven: set[str]


async def read_letters(
    kafka: KafkaConnection,
    *,
    newest: int | None = None,
    take: Callable[[RefusedRecord], Any] = lambda letter: None,
) -> ReadLetters:
    """Read the dead letters up to the present end.

    Parameters
    ----------
    newest
        Only so many records of each partition; None: all.
    take
        Called with each dead letter while its value is known.

    Raises
    ------
    BrokerUnavailable
        Kafka does not answer.
    TopicMismatch
        There is no such topic.
    """
    found = ReadLetters([], set())
    async with _records(kafka, newest) as records:
        async for record in records:
            mark = mark_of(record)
            if mark is not None:
                found.redriven.add(mark.letter_id)
                continue
            letter = refused_record(record)
            taken = take(letter)
            if taken is not None:
                await taken
            found.letters.append(letter._replace(value=None))
    found.letters.sort(key=lambda letter: letter.at_ms)
    return found


@asynccontextmanager
async def _records(kafka: KafkaConnection, newest: int | None) -> AsyncIterator[AsyncIterator[Any]]:
    topic = kafka.topic(topics.RESPONSES_DLQ)
    consumer = AIOKafkaConsumer(enable_auto_commit=False, **kafka.client_options())
    try:
        await consumer.start()
        if topic not in await consumer.topics():
            raise missing_topic(topic, kafka)
        partitions = [TopicPartition(topic, number) for number in range(await load_partitions(consumer, topic))]
        consumer.assign(partitions)
        positions = await consumer.beginning_offsets(partitions)
        if newest is not None:
            ends = await consumer.end_offsets(partitions)
            positions = {tp: max(first, ends[tp] - newest) for tp, first in positions.items()}
        yield read_to_end(consumer, positions)
    except (KafkaError, OSError) as error:
        raise broker_unavailable(kafka.servers, error) from error
    finally:
        await consumer.stop()
