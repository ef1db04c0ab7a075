"""Sends batches of events so that each is on the topic once, through outages and crashes.

Before a batch is sent the ends of its partitions are noted. When it is not clear what became of it, because the
connection or the process ended, the topic is read from there on, and what is on it is not sent again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from halt400.backoff import Backoff
from halt400.errors import BrokerUnavailable, Halt400Error, TopicMismatch
from halt400.kafka.clients import (
    DURABLE,
    CachedPartitioner,
    close_consumer,
    close_producer,
    closed_on_failure,
    load_partitions,
    missing_topic,
)
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.read_to_end import read_to_end
from halt400.publisher.sending_loop import LARGEST_BATCH_BYTES, LARGEST_EVENT_BYTES
from halt400.start_stop import StartStop

__all__ = ["ExactSender", "Outgoing"]

SETTLE_S = 1.0
"""How long the broker is given to show what it took from a connection that has ended."""
LONGEST_SENDING_S = 60.0
SILENT_S = 5.0
"""After how long without an answer it is told that Kafka is away."""
_LARGEST_FETCH_BYTES = 4 * 1024 * 1024

T = TypeVar("T")


class Outgoing(NamedTuple):
    """One encoded event."""

    id: str
    key: bytes
    value: bytes


class _Identified(msgspec.Struct):
    id: str


_decode = msgspec.json.Decoder(_Identified).decode


class ExactSender(StartStop):
    """Sends to one topic.

    Parameters
    ----------
    kafka
        The connection.
    topic
        Its full name.
    tell
        Called with one line when Kafka is away, and when it is back.
    longest_pause_s
        Longest pause between two attempts to connect, in seconds.
    """

    def __init__(
        self, kafka: KafkaConnection, topic: str, tell: Callable[[str], None], *, longest_pause_s: float = 5.0
    ) -> None:
        self._kafka, self._topic, self._tell = kafka, topic, tell
        self._backoff = Backoff(longest_pause_s)
        self._partitioner = CachedPartitioner()
        self._producer: AIOKafkaProducer | None = None
        self._consumer: AIOKafkaConsumer | None = None
        self._partitions = 0
        self._was_connected = self._is_away = False

    async def stop(self) -> None:
        """Close the connections."""
        producer, self._producer = self._producer, None
        consumer, self._consumer = self._consumer, None
        if producer is not None:
            await close_producer(producer)
        if consumer is not None:
            await close_consumer(consumer)

    async def connect(self) -> None:
        """Connect; waits while Kafka is away.

        Raises
        ------
        TopicMismatch
            The topic does not exist.
        """

        async def nothing() -> None:
            pass

        await self._through_outages(nothing)

    async def ends(self, batch: Sequence[Outgoing]) -> dict[int, int]:
        """The end of each partition that a batch goes to; waits while Kafka is away."""

        async def ask() -> dict[int, int]:
            assert self._consumer is not None
            partitions = {TopicPartition(self._topic, self._partition(event.key)) for event in batch}
            async with asyncio.timeout(LONGEST_SENDING_S):
                found = await self._consumer.end_offsets(list(partitions))
            return {partition.partition: offset for partition, offset in found.items()}

        return await self._through_outages(ask)

    async def send(
        self, batch: Sequence[Outgoing], ends: Mapping[int, int], *, maybe_sent: bool = False
    ) -> list[Outgoing]:
        """Send what is not on the topic yet; waits while Kafka is away.

        Parameters
        ----------
        batch
            The events.
        ends
            The ends of their partitions, from before any of them was sent.
        maybe_sent
            Whether some may have been sent before.

        Returns
        -------
        list of Outgoing
            Those that the broker refuses for their size.
        """
        left, refused = list(batch), []

        async def attempt() -> None:
            nonlocal left, maybe_sent
            if maybe_sent:
                left = await self._not_on_topic(left, ends)
            maybe_sent = True
            refused.extend(await self._send(left))

        await self._through_outages(attempt)
        return refused

    async def _send(self, batch: Sequence[Outgoing]) -> list[Outgoing]:
        """Send once, and return those that are too large; raises what else went wrong."""
        assert self._producer is not None
        async with asyncio.timeout(LONGEST_SENDING_S):
            sent = [
                await self._producer.send(self._topic, event.value, event.key, self._partition(event.key))
                for event in batch
            ]
            outcomes = await asyncio.gather(*sent, return_exceptions=True)
        refused = []
        for event, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, MessageSizeTooLargeError):
                refused.append(event)
            elif isinstance(outcome, BaseException):
                raise outcome
        return refused

    async def _not_on_topic(self, batch: Sequence[Outgoing], ends: Mapping[int, int]) -> list[Outgoing]:
        """Read the topic back, and return what is not there."""
        wanted, found = Counter(event.id for event in batch), Counter[str]()
        positions = {TopicPartition(self._topic, partition): offset for partition, offset in ends.items()}
        if not positions:
            return list(batch)
        consumer = AIOKafkaConsumer(**self._consumer_options())
        async with closed_on_failure(consumer, self._kafka):
            await consumer.start()
            consumer.assign(list(positions))
            for is_last in (False, True):
                async for record in read_to_end(consumer, positions):
                    positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
                    event_id = _id_of(record.value)
                    if event_id is not None and event_id in wanted:
                        found[event_id] += 1
                if found >= wanted or is_last:
                    break
                await asyncio.sleep(SETTLE_S)
        await close_consumer(consumer)
        missing = []
        for event in batch:
            if found[event.id]:
                found[event.id] -= 1
            else:
                missing.append(event)
        return missing

    async def _through_outages(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` while connected; where it fails, connect and do it again."""
        while True:
            silent = asyncio.get_running_loop().call_later(
                SILENT_S, self._tell_away, f"Kafka at {self._kafka.servers} does not answer."
            )
            try:
                if self._producer is None:
                    await self._connect()
                done = await work()
            except TopicMismatch as error:
                if not self._was_connected:
                    raise
                await self._wait(error)
            except (KafkaError, Halt400Error, OSError, TimeoutError) as error:
                await self._wait(error)
            else:
                if self._is_away:
                    self._is_away = False
                    self._tell("Kafka answers again; nothing was lost.")
                self._backoff.reset()
                return done
            finally:
                silent.cancel()

    async def _wait(self, error: BaseException) -> None:
        await self.stop()
        reason = f"Kafka at {self._kafka.servers} does not answer ({error!r})."
        self._tell_away(error.message if isinstance(error, Halt400Error) else reason)
        await self._backoff.pause()

    def _tell_away(self, reason: str) -> None:
        if not self._is_away:
            self._is_away = True
            self._tell(f"{reason} Waiting; the logs keep what is not published.")

    async def _connect(self) -> None:
        consumer = AIOKafkaConsumer(**self._consumer_options())
        async with closed_on_failure(consumer, self._kafka), asyncio.timeout(LONGEST_SENDING_S):
            await consumer.start()
            if self._topic not in await consumer.topics():
                raise missing_topic(self._topic, self._kafka)
            self._partitions = await load_partitions(consumer, self._topic)
        self._consumer = consumer
        producer = AIOKafkaProducer(
            **DURABLE,
            client_id="halt400-tail",
            max_batch_size=LARGEST_BATCH_BYTES,
            max_request_size=LARGEST_EVENT_BYTES,
            request_timeout_ms=30_000,
            **self._kafka.client_options(),
        )
        async with closed_on_failure(producer, self._kafka), asyncio.timeout(LONGEST_SENDING_S):
            await producer.start()
        self._producer, self._was_connected = producer, True
        if not self._partitions:
            raise BrokerUnavailable(f"{self._topic} has no partition yet.")

    def _consumer_options(self) -> dict[str, Any]:
        return {
            "client_id": "halt400-tail",
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "max_partition_fetch_bytes": _LARGEST_FETCH_BYTES,
            **self._kafka.client_options(),
        }

    def _partition(self, key: bytes) -> int:
        partitions = list(range(self._partitions))
        return self._partitioner(key, partitions, partitions)


def _id_of(value: bytes | None) -> str | None:
    try:
        return _decode(value or b"").id
    except msgspec.MsgspecError:
        return None
