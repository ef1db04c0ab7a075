"""Reads all partitions of a topic without a consumer group; its positions outlive a lost connection."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from halt400.errors import BrokerUnavailable
from halt400.kafka.clients import (
    close_consumer,
    closed_on_failure,
    end_offsets,
    fetch_every_partition,
    load_partitions,
    missing_topic,
    start_client,
)
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet

__all__ = ["Offsets", "TopicReader", "is_reached"]

log = logging.getLogger(__name__)

Offsets = Mapping[int, int]
"""An offset per partition."""


def is_reached(ends: Offsets, positions: Offsets) -> bool:
    """Whether everything before `ends` has been read; `positions` are the next offsets to read."""
    return all(positions.get(partition, 0) >= end for partition, end in ends.items())


class TopicReader:
    """Reads every partition from its beginning, and after a reconnect from where it stopped.

    Parameters
    ----------
    consumer_options
        Arguments for ``aiokafka.AIOKafkaConsumer`` in addition to those of the connection.
    newest
        Begin this many records before the end of each partition; ``None``: at its beginning.
    stale_after_s
        Seconds without an answer of the broker after which `advance` raises.
    clock
        Monotonic seconds.

    Attributes
    ----------
    positions : dict of int to int
        The next offset to read, by partition.
    """

    # The age of what was read: a fetch that was answered with all that there was includes what was appended before it
    # was sent, and it was sent after the answer to the one before. So of each partition the time of the answer before
    # is kept, and the partition that is furthest behind counts: its broker may be the one that does not answer.

    def __init__(
        self,
        kafka: KafkaConnection,
        topic: str,
        consumer_options: Mapping[str, Any],
        *,
        stale_after_s: float,
        clock: Callable[[], float],
        newest: int | None = None,
    ) -> None:
        self.kafka, self.topic = kafka, topic
        self._newest = newest
        self.positions: dict[int, int] = {}
        self._consumer_options = {
            **consumer_options,
            **kafka.client_options(),
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
        }
        self._stale_after_s, self._clock = stale_after_s, clock
        self._consumer: AIOKafkaConsumer | None = None
        self._assigned: list[TopicPartition] = []
        self._last_poll_ms: dict[TopicPartition, int | None] = {}
        self._last_answer: float | None = None
        self._advanced_at = 0.0
        self._answered_at: dict[int, float] = {}
        self._asked_at: dict[int, float] = {}
        self._complete_at: dict[int, float] = {}
        self._contact_at: dict[int, float] = {}
        self._connected = asyncio.Event()
        self._lost: asyncio.Future[None] | None = None
        self._closed_by: BaseException | None = None

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since a broker last answered, for the partition that waits longest; ``None`` before the first."""
        return self._age(self._contact_at)

    @property
    def age_s(self) -> float | None:
        """Age of what was read: everything older is in it, of every partition; ``None`` before that is known of all."""
        return self._age(self._complete_at)

    def _age(self, times: Mapping[int, float]) -> float | None:
        if not self._assigned or any(partition.partition not in times for partition in self._assigned):
            return None
        return self._clock() - min(times[partition.partition] for partition in self._assigned)

    def confirm(self, at: float) -> None:
        """Note that everything that was in the topic at `at`, monotonic seconds, has been read."""
        for partition in self._assigned:
            self._note_complete(partition.partition, at)

    async def connect(self) -> None:
        """Connect if not connected, and seek every partition to its position, or to its beginning.

        Raises
        ------
        BrokerUnavailable
            Kafka does not answer.
        TopicMismatch
            The topic does not exist.
        """
        if self._consumer is not None:
            return
        consumer = AIOKafkaConsumer(**self._consumer_options)
        async with closed_on_failure(consumer, self.kafka):
            await start_client(consumer)
            fetch_every_partition(consumer)
            if self.topic not in await consumer.topics():
                raise missing_topic(self.topic, self.kafka)
            await self._assign(consumer, await load_partitions(consumer, self.topic) or 1)
        self._consumer = consumer
        self._last_poll_ms = {}
        self._last_answer = self._advanced_at = self._clock()
        self._answered_at = dict.fromkeys(self.positions, self._advanced_at)
        self._asked_at = {}
        self._lost = asyncio.get_running_loop().create_future()
        self._connected.set()

    async def disconnect(self) -> None:
        """Close the connection; the positions stay."""
        consumer, self._consumer = self._consumer, None
        self._connected.clear()
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        if consumer is not None:
            await close_consumer(consumer)

    def open(self) -> None:
        """Let `ends_once_connected` wait for a connection, after `close`."""
        self._closed_by = None
        self._connected.clear()

    def close(self, error: BaseException) -> None:
        """Raise `error` in `ends_once_connected`, as there will be no further connection."""
        self._closed_by = error
        self._connected.set()

    async def poll(self, most: int | None = None) -> Mapping[TopicPartition, Sequence[Any]]:
        """Return the next records by partition, `most` of them in all; waits at most half a second for them."""
        consumer = self._connection()
        polled: Mapping[TopicPartition, Sequence[Any]] = await consumer.getmany(timeout_ms=500, max_records=most)
        return polled

    async def advance(self) -> None:
        """Set `positions` to the end of what was polled; call it when that has been applied.

        Raises
        ------
        BrokerUnavailable
            The broker has not answered for too long.
        """
        consumer, now, answered = self._connection(), self._clock(), False
        for partition in self._assigned:
            number = partition.partition
            position = self.positions[number] = await consumer.position(partition)
            stamp = consumer.last_poll_timestamp(partition)
            if stamp != self._last_poll_ms.get(partition):
                answered = True
                self._contact_at[number] = now
                self._last_poll_ms[partition] = stamp
                # The answer came after the last call of this method.
                self._asked_at[number] = self._answered_at.get(number, now)
                self._answered_at[number] = self._advanced_at
            end = consumer.highwater(partition)
            if end is not None and position >= end and number in self._asked_at:
                self._note_complete(number, self._asked_at[number])
        self._advanced_at = now
        if answered or self._last_answer is None:
            self._last_answer = now
        elif now - self._last_answer > self._stale_after_s:
            raise BrokerUnavailable(f"Kafka at {self.kafka.servers} has not answered for {self._stale_after_s:g} s.")

    def _note_complete(self, partition: int, at: float) -> None:
        self._complete_at[partition] = max(at, self._complete_at.get(partition, at))

    def skip_to_newest(self) -> int:
        """Seek partitions that are more than `newest` records behind; returns how many records are not read."""
        consumer, skipped = self._connection(), 0
        for partition in self._assigned:
            end, position = consumer.highwater(partition), self.positions[partition.partition]
            if self._newest is not None and end is not None and end - self._newest > position:
                skipped += end - self._newest - position
                self.positions[partition.partition] = end - self._newest
                consumer.seek(partition, end - self._newest)
        return skipped

    async def assign_new_partitions(self) -> None:
        """Assign partitions that were added to the topic."""
        consumer = self._connection()
        known = len(consumer.partitions_for_topic(self.topic) or ())
        if known > len(self._assigned):
            log.info("%s has %d partitions now, %d before.", self.topic, known, len(self._assigned))
            await self._assign(consumer, known)

    async def ends(self) -> Offsets:
        """Return the end offset of every partition."""
        return await end_offsets(self._connection())

    async def ends_once_connected(self) -> Offsets:
        """Return the end offset of every partition; waits through outages."""
        while True:
            await self._connected.wait()
            if self._closed_by is not None:
                raise self._closed_by
            consumer, lost = self._consumer, self._lost
            if consumer is None or lost is None:
                continue
            with quiet():
                asked = asyncio.ensure_future(end_offsets(consumer))
            try:
                either: list[asyncio.Future[Any]] = [asked, lost]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                asked.cancel()
            if not asked.done():
                continue
            error = asked.exception()
            if error is None:
                return asked.result()
            if not isinstance(error, KafkaTimeoutError) and not getattr(error, "retriable", False):
                raise BrokerUnavailable(f"Kafka returns no end offsets of {self.topic} ({error!r}).") from error

    def _connection(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "connect first"
        return self._consumer

    async def _assign(self, consumer: AIOKafkaConsumer, partitions: int) -> None:
        missing = [TopicPartition(self.topic, number) for number in range(partitions) if number not in self.positions]
        if missing:
            beginnings = await consumer.beginning_offsets(missing)
            if self._newest is not None:
                ends = await consumer.end_offsets(missing)
                beginnings = {found: max(first, ends[found] - self._newest) for found, first in beginnings.items()}
            self.positions.update({found.partition: offset for found, offset in beginnings.items()})
        # No await from here on: the fetcher must not run before every partition has its position.
        self._assigned = [TopicPartition(self.topic, number) for number in range(partitions)]
        consumer.assign(self._assigned)
        for partition in self._assigned:
            consumer.seek(partition, self.positions[partition.partition])
            self._contact_at.setdefault(partition.partition, self._clock())
