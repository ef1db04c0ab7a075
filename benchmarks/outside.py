"""A consumer group and its topics as seen from outside: committed offsets over time, log ends, every record."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from benchmarks.usage import Usage, usage_of
from streams.settings import KafkaSettings

__all__ = [
    "Pace",
    "Snapshot",
    "StalledError",
    "delete_topics",
    "log_end",
    "pace_of_group",
    "records_of",
    "reset_group",
    "topics_of",
    "wait_until",
]

POLL_S = 0.05


class StalledError(Exception):
    """Something did not happen in time, or its process ended first."""


class Snapshot(NamedTuple):
    """What a contender and its broker have taken so far; `broker_cpu_s` is None for a broker of another machine."""

    contender: Usage
    broker_cpu_s: float | None

    @classmethod
    def take(cls, contender: int, broker: int | None) -> Self:
        """The usage of both, by their process ids."""
        return cls(usage_of(contender), usage_of(broker).cpu_s if broker is not None else None)


class Pace(NamedTuple):
    """How fast a group went: from the first commit seen to the one that reached the log's end."""

    records: int
    elapsed_s: float
    before_first_commit_s: float
    at_first: Snapshot
    at_end: Snapshot


@asynccontextmanager
async def _admin(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**kafka.connection.client_options())
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


@asynccontextmanager
async def _assigned(kafka: KafkaSettings, topic: str, group: str | None = None) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **kafka.connection.client_options(), group_id=group, enable_auto_commit=False, max_poll_records=10_000
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, number) for number in range(kafka.partitions)])
        yield consumer
    finally:
        await consumer.stop()


async def pace_of_group(
    kafka: KafkaSettings,
    group: str,
    topic: str,
    total: int,
    alive: Callable[[], bool],
    timeout_s: float,
    snapshot: Callable[[], Snapshot],
) -> Pace:
    """Watch a group's committed offsets on `topic` until they add up to `total`.

    The clock starts at the first commit that is seen and what that commit covers is not counted, so neither starting,
    joining the group nor warming up is part of the figure. `snapshot` is taken at both ends of the clock.

    Raises
    ------
    StalledError
        The end was not reached within `timeout_s`, or `alive` says no.
    """
    partitions = [TopicPartition(topic, number) for number in range(kafka.partitions)]
    began_s = time.monotonic()
    first: tuple[float, int, Snapshot] | None = None
    committed = 0
    async with _admin(kafka) as admin:
        while time.monotonic() - began_s < timeout_s:
            with suppress(KafkaError):
                offsets = await admin.list_consumer_group_offsets(group, partitions=partitions)
                committed = sum(max(found.offset, 0) for found in offsets.values())
            now_s = time.monotonic()
            if committed and first is None:
                first = (now_s, committed, snapshot())
            if committed >= total and first is not None:
                if first[1] >= total:
                    raise StalledError(f"{group}: all {total} records were in the first commit; use more events")
                return Pace(total - first[1], now_s - first[0], first[0] - began_s, first[2], snapshot())
            if not alive():
                raise StalledError(f"{group}: the process ended at {committed} of {total} records")
            await asyncio.sleep(POLL_S)
    raise StalledError(f"{group}: {committed} of {total} records after {timeout_s:.0f} s")


async def wait_until(
    reached: Callable[[], Awaitable[bool]], what: str, timeout_s: float, poll_s: float = POLL_S
) -> float:
    """Wait for a condition; the seconds that it took.

    Raises
    ------
    StalledError
        It did not come true in time.
    """
    began_s = time.monotonic()
    while not await reached():
        if time.monotonic() - began_s > timeout_s:
            raise StalledError(f"{what}: not within {timeout_s:.0f} s")
        await asyncio.sleep(poll_s)
    return time.monotonic() - began_s


async def log_end(kafka: KafkaSettings, topic: str) -> int:
    """Sum of the log ends of a topic that nothing was deleted from: its number of records."""
    async with _assigned(kafka, topic) as consumer:
        return sum((await consumer.end_offsets(list(consumer.assignment()))).values())


async def records_of(kafka: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    """Every record of a topic up to its end, partition by partition in their order."""
    found: list[ConsumerRecord] = []
    async with _assigned(kafka, topic) as consumer:
        partitions = list(consumer.assignment())
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found


async def reset_group(kafka: KafkaSettings, group: str, topic: str) -> None:
    """Set an empty group back to the beginning of a topic."""
    async with _assigned(kafka, topic, group) as consumer:
        await consumer.commit(dict.fromkeys(consumer.assignment(), 0))


async def delete_topics(kafka: KafkaSettings, topics: list[str]) -> None:
    """Delete topics, and wait until the cluster has forgotten them."""
    async with _admin(kafka) as admin:
        await admin.delete_topics([topic for topic in topics if topic in await admin.list_topics()])

        async def gone() -> bool:
            return not set(topics) & set(await admin.list_topics())

        await wait_until(gone, "deletion of topics", 60.0)


async def topics_of(kafka: KafkaSettings, prefix: str) -> list[str]:
    """The topics whose names contain `prefix`."""
    async with _admin(kafka) as admin:
        return [topic for topic in await admin.list_topics() if prefix in topic]
