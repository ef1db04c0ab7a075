"""Finds the rows that cannot be read or are missing, and writes others from the log, while no worker runs."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from halt400.errors import InvalidRecord, QueryError
from halt400.kafka.clients import DURABLE, broker_unavailable
from halt400.kafka.read_to_end import read_to_end
from halt400.plural import plural
from halt400.records import UNDECODABLE, Command
from streams import topics
from streams.detection import Policies
from streams.processing.decoding import RecordReader
from streams.processing.envelopes import is_envelope
from streams.processing.target import TrackedTarget
from streams.rebuild.row import RowRebuilding, counted_events
from streams.settings import KafkaSettings, Settings

__all__ = ["RebuiltRow", "rebuild"]

GROUP = "worker"
_decode_command = msgspec.json.Decoder(Command).decode


class RebuiltRow(NamedTuple):
    """A row that was made anew, or would be.

    Attributes
    ----------
    reason
        Why the one that was there cannot be read.
    responses
        How many responses of the log it counts.
    quarantines
        How many of its scopes are not released.
    """

    target: str
    partition: int
    reason: str
    responses: int
    quarantines: int


class _Unreadable(NamedTuple):
    """Why a row cannot be read, and the last one before it that can."""

    text: str
    earlier: bytes | None


async def rebuild(settings: Settings, policies: Policies, *, dry_run: bool, missing: bool = False) -> list[RebuiltRow]:
    """Make the rows anew that cannot be read, from `responses` and `control`; the others stay as they are.

    Parameters
    ----------
    missing
        Also those of targets that have events on `responses`, and neither a row nor a deleted one on `rates`: its
        beginning was cut off.

    Raises
    ------
    QueryError
        A worker runs: it would go on from the row that it has in memory.
    BrokerUnavailable
        Kafka does not answer.
    """
    kafka = settings.kafka
    skew_ms = int(settings.detection.skew_s * 1000)
    async with _consumer(kafka) as consumer:
        await _check_no_worker(kafka)
        ends = await _committed(kafka)
        broken, known = await _unreadable_rows(consumer, kafka)
        if not broken and not missing:
            return []
        commands = await _commands(consumer, kafka)
        found, rows = [], []
        for partition in range(kafka.partitions):
            reasons = {name: reason for (number, name), reason in broken.items() if number == partition}
            if not reasons and not missing:
                continue
            end = ends[partition]
            building = {name: RowRebuilding(name, reason.earlier) for name, reason in reasons.items()}
            await _count(consumer, kafka, partition, end, skew_ms, building, known if missing else None)
            for name, one in sorted(building.items()):
                row = one.finish(end, commands.get(name, ()), policies)
                read = TrackedTarget.decode(row, name)
                halted = sum(not scope.is_released for scope in read.state.scopes.values())
                reason = reasons[name].text if name in reasons else "It is missing."
                found.append(RebuiltRow(name, partition, reason, read.row.totals()["responses"], halted))
                rows.append((partition, name.encode(), row))
    if not dry_run:
        await _write(kafka, rows)
    return found


async def _count(
    consumer: AIOKafkaConsumer,
    kafka: KafkaSettings,
    partition: int,
    end: int,
    skew_ms: int,
    building: dict[str, RowRebuilding],
    known: Collection[tuple[int, str]] | None,
) -> None:
    """Count the events of a partition below an offset, as far back as it reaches.

    Where `known` is given, what it does not have is added to `building`.
    """
    reader = RecordReader(partition, lambda key: topics.partition_of(key, kafka.partitions))
    keys = {name.encode() for name in building}
    async for record in _records(consumer, kafka.topic(topics.RESPONSES), [partition]):
        if record.offset >= end:
            break
        if known is None and record.key not in keys and not is_envelope(record.value):
            continue
        for event in counted_events(record, reader):
            name = event.target
            if name not in building and known is not None and (partition, name) not in known:
                building[name] = RowRebuilding(name, None)
            if name in building:
                building[name].count(record, event, skew_ms)


async def _check_no_worker(kafka: KafkaSettings) -> None:
    admin = AIOKafkaAdminClient(**kafka.connection.client_options())
    await admin.start()
    try:
        [response] = await admin.describe_consumer_groups([kafka.topic(GROUP)])
    finally:
        await admin.close()
    members = len(response.to_object()["groups"][0]["members"])
    if members:
        raise QueryError(
            f"{plural(members, 'worker')} of the group {kafka.topic(GROUP)} {'runs' if members == 1 else 'run'}.",
            "Stop them: each would write the rows that it has in memory over the new ones.",
        )


async def _unreadable_rows(
    consumer: AIOKafkaConsumer, kafka: KafkaSettings
) -> tuple[dict[tuple[int, str], _Unreadable], set[tuple[int, str]]]:
    """Partition and target of each row on `rates` that cannot be read, and of all that are on it.

    One that a readable row follows is no matter.
    """
    known: set[tuple[int, str]] = set()
    found: dict[tuple[int, str], _Unreadable] = {}
    readable: dict[tuple[int, str], bytes] = {}
    async for record in _records(consumer, kafka.topic(topics.RATES), range(kafka.partitions)):
        place = record.partition, record.key.decode(errors="replace")
        known.add(place)
        if record.value is None:
            found.pop(place, None)
            readable.pop(place, None)
            continue
        try:
            TrackedTarget.decode(record.value, place[1])
        except (InvalidRecord, *UNDECODABLE) as error:
            found[place] = _Unreadable(str(error), readable.get(place))
        else:
            readable[place] = record.value
            found.pop(place, None)
    return found, known


async def _commands(consumer: AIOKafkaConsumer, kafka: KafkaSettings) -> dict[str, list[Command]]:
    """The latest command of each scope, by target."""
    latest: dict[str, Command] = {}
    async for record in _records(consumer, kafka.topic(topics.CONTROL), range(kafka.partitions)):
        if kafka.connection.signing.why_not(kafka.topic(topics.CONTROL), record, "commands") is not None:
            continue
        key = record.key.decode(errors="replace")
        if record.value is None:
            latest.pop(key, None)
            continue
        command = _decode_command(record.value)
        known = latest.get(key)
        if known is None or command.sequence >= known.sequence:
            latest[key] = command
    found: dict[str, list[Command]] = {}
    for command in latest.values():
        found.setdefault(command.scope.target, []).append(command)
    return found


async def _committed(kafka: KafkaSettings) -> dict[int, int]:
    """How far the workers have committed each partition of `responses`, 0 where not at all.

    Its consumer is assigned nothing: aiokafka fails where a consumer of a group is assigned partitions a second time
    while it still looks for the coordinator of the group.
    """
    async with _consumer(kafka, kafka.topic(GROUP)) as consumer:
        topic = kafka.topic(topics.RESPONSES)
        return {
            partition: await consumer.committed(TopicPartition(topic, partition)) or 0
            for partition in range(kafka.partitions)
        }


async def _records(consumer: AIOKafkaConsumer, topic: str, partitions: Collection[int]) -> AsyncIterator[Any]:
    tps = [TopicPartition(topic, number) for number in partitions]
    consumer.assign(tps)
    async for record in read_to_end(consumer, await consumer.beginning_offsets(tps)):
        yield record


async def _write(kafka: KafkaSettings, rows: list[tuple[int, bytes, bytes]]) -> None:
    """Delete each row, so that nothing compares the new one with it, and write the new one."""
    topic = kafka.topic(topics.RATES)
    options = {"max_request_size": topics.LARGEST_RECORD_BYTES, **kafka.connection.client_options()}
    async with AIOKafkaProducer(**DURABLE, **options) as producer:
        for partition, key, row in rows:
            for value in (None, row):
                await producer.send_and_wait(topic, value, key=key, partition=partition)


@asynccontextmanager
async def _consumer(kafka: KafkaSettings, group_id: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer; one with a group knows what that has committed, and does not join it."""
    consumer = AIOKafkaConsumer(group_id=group_id, enable_auto_commit=False, **kafka.connection.client_options())
    try:
        await consumer.start()
        yield consumer
    except (KafkaError, OSError) as error:
        raise broker_unavailable(kafka.bootstrap_servers, error) from error
    finally:
        await consumer.stop()
