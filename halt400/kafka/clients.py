"""Starting and closing aiokafka's clients; every use of their private parts is in this module (aiokafka 0.14).

Clients are closed here within seconds, whatever state the broker is in. Their own ``stop`` waits for all pending
records, forever if the broker does not come back; when it is cancelled it leaves tasks behind; and a consumer's may
raise a ``CancelledError`` of its own, which would end the task that called it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from copy import copy
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.codec import has_lz4, has_zstd
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.structs import TopicPartition

from halt400.errors import BrokerUnavailable, SettingError, TopicMismatch
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet

__all__ = [
    "DURABLE",
    "CachedPartitioner",
    "Compression",
    "available_codec",
    "broker_unavailable",
    "close_consumer",
    "close_producer",
    "closed_on_failure",
    "end_offsets",
    "fetch_every_partition",
    "load_partitions",
    "missing_topic",
    "start_client",
    "submit_batch",
]

log = logging.getLogger(__name__)

Compression = Literal["gzip", "lz4", "zstd"]

DURABLE = {"acks": "all", "enable_idempotence": True}
"""Producer options: a record is acknowledged when every in-sync replica has it, and is stored once per producer."""

_DEADLINE_S = 2.0
_START_ENDS_S = 0.5
_TAKEN_WITHIN_S = 60.0


class CachedPartitioner(DefaultPartitioner):  # type: ignore[misc]
    """Kafka's default partitioner (murmur2, as in Java). It is written in Python, so its results are cached by key."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[bytes, int], int] = {}

    def __call__(self, key: bytes, all_partitions: list[int], available: list[int]) -> int:
        """Return the partition of `key`."""
        found = self._partitions.get((key, len(all_partitions)))
        if found is None:
            if len(self._partitions) >= 10_000:
                self._partitions.clear()
            found = int(DefaultPartitioner.__call__(key, all_partitions, available))
            self._partitions[key, len(all_partitions)] = found
        return found


def available_codec(compression: Compression | None) -> Compression | None:
    """Return `compression` if it is installed, otherwise ``None`` with a warning; SettingError if it is unknown."""
    codecs = {"gzip": True, "lz4": has_lz4(), "zstd": has_zstd()}
    if compression is not None and compression not in codecs:
        raise SettingError(f"compression is {compression!r}.", f"Choose one of {', '.join(codecs)}, or None.")
    if compression is not None and not codecs[compression]:
        log.warning("%s is not installed (pip install cramjam); events are published uncompressed.", compression)
        return None
    return compression


@asynccontextmanager
async def closed_on_failure(client: AIOKafkaConsumer | AIOKafkaProducer, kafka: KafkaConnection) -> AsyncIterator[None]:
    """Start a client in the block; if that fails, close it.

    Raises
    ------
    BrokerUnavailable
        Kafka does not answer.
    """
    try:
        with quiet():
            yield
    except BaseException as error:
        await (close_producer(client) if isinstance(client, AIOKafkaProducer) else close_consumer(client))
        if not isinstance(error, KafkaError | OSError | TimeoutError):
            raise
        raise broker_unavailable(kafka.servers, error) from error


def broker_unavailable(servers: str, error: BaseException) -> BrokerUnavailable:
    """Return the error of a Kafka that does not answer, or that refused; where no broker was found, aiokafka's words
    add nothing.
    """
    text = str(error) or type(error).__name__
    if "Unable to bootstrap from" in text:
        return BrokerUnavailable(
            f"No Kafka broker answers at {servers}.",
            "Start it, or correct HALT400_KAFKA_BOOTSTRAP_SERVERS or HALT400_KAFKA_SECURITY_PROTOCOL.",
        )
    return BrokerUnavailable(f"Kafka at {servers} failed ({text}).", "`halt400 doctor` says what is wrong.")


async def start_client(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Start a client; when cancelled, wait a moment for its start to end, and close the connection that it holds."""
    starting = asyncio.ensure_future(client.start())
    try:
        await asyncio.shield(starting)
    except asyncio.CancelledError:
        try:
            await asyncio.wait([starting], timeout=_START_ENDS_S)
        finally:
            held = list(_held_connections(starting))
            await _cancel(starting)
            for connection in held:
                connection.close()
        raise


def _held_connections(task: "asyncio.Task[None]") -> Iterator[AIOKafkaConnection]:
    """Yield the connections that only local variables of a task hold.

    The first connection of a client, on which it asks for the brokers, is one: nobody closes it when that is cancelled.
    """
    running: Any = task.get_coro()
    while (frame := getattr(running, "cr_frame", None)) is not None:
        yield from (held for held in frame.f_locals.values() if isinstance(held, AIOKafkaConnection))
        running = running.cr_await


def missing_topic(topic: str, kafka: KafkaConnection) -> TopicMismatch:
    """Return the error of a topic that does not exist."""
    return TopicMismatch(f"The topic {topic} does not exist on {kafka.servers}.", "Run `halt400 topics apply`.")


async def close_producer(producer: AIOKafkaProducer) -> None:
    """Close the connections; records that were not acknowledged fail. Flush first if they matter."""
    sender, accumulator = producer._sender, producer._message_accumulator
    producer._closed = True
    with quiet():
        await _run(producer.client.close())
    task = sender.sender_task if sender is not None else None
    if task is not None:
        await _cancel(task)
    # A batch that waits for its retry is in none of the accumulator's sets; its callback removes it from this one. The
    # request that it was in removes it again when its pause is over.
    waiting = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator._pending_batches = failed = _RemovedTwice([*accumulator._pending_batches, *waiting])
    accumulator.fail_all(BrokerUnavailable("The connection was closed."))
    for batch in failed:
        # Nobody waits until a batch is taken: without this, asyncio logs each as an exception that was never retrieved.
        if batch._drain_waiter.done() and not batch._drain_waiter.cancelled():
            batch._drain_waiter.exception()
    with quiet():
        # Until its task ended the sender may have connected again.
        await _run(producer.client.close())


class _RemovedTwice(set[Any]):
    """A set whose elements may be removed again."""

    def remove(self, element: Any) -> None:
        self.discard(element)


def submit_batch(producer: AIOKafkaProducer, batch: Any, topic: str, partition: int) -> "asyncio.Future[Any]":
    """Queue a batch for sending, and return the future of its acknowledgement.

    ``AIOKafkaProducer.send_batch`` waits until the batch before it in the partition is sent: a partition without a
    leader would hold up all others.

    Raises
    ------
    KafkaError
        The producer is closed or has failed.
    """
    accumulator = producer._message_accumulator
    if accumulator._closed:
        raise ProducerClosed
    if accumulator._exception is not None:
        raise copy(accumulator._exception)
    batch.close()
    future: asyncio.Future[Any] = accumulator._append_batch(batch, TopicPartition(topic, partition)).future
    return future


async def close_consumer(consumer: AIOKafkaConsumer) -> None:
    """Stop the consumer's tasks and close its connections."""
    with quiet():
        try:
            await _run(consumer.stop())
        finally:
            await _run(consumer._client.close())


async def load_partitions(consumer: AIOKafkaConsumer, topic: str) -> int:
    """Fetch the topic's metadata, keep it refreshed from then on, and return the number of partitions."""
    await consumer._client.set_topics([topic])
    return len(consumer.partitions_for_topic(topic) or ())


def fetch_every_partition(consumer: AIOKafkaConsumer) -> None:
    """Let each fetch of a started consumer ask for all of its partitions.

    By itself it leaves out those whose records were not taken for 0.1 s, as where other work has the processor; what is
    new there waits, then, until the broker answers that fetch: half a second where the others have no traffic.
    """
    consumer._fetcher._prefetch_backoff = _TAKEN_WITHIN_S


async def end_offsets(consumer: AIOKafkaConsumer) -> dict[int, int]:
    """Return the end offset of each assigned partition."""
    ends = await consumer.end_offsets(list(consumer.assignment()))
    return {found.partition: offset for found, offset in ends.items()}


async def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` until it ends or its deadline passes; its errors are ignored, for the client is closed anyway."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task], timeout=_DEADLINE_S)
    finally:
        await _cancel(task)


async def _cancel(task: asyncio.Future[None]) -> None:
    while not task.done():
        # A task that awaits an inner task passes the cancellation on to it, so one may not be enough.
        task.cancel()
        await asyncio.wait([task], timeout=0.1)
    with suppress(BaseException):
        task.result()
