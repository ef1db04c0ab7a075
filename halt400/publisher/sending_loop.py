"""The publisher's sending loop: sends events from the buffer to Kafka, and reconnects when a connection fails."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from halt400.backoff import Backoff
from halt400.errors import BrokerUnavailable, Halt400Error
from halt400.kafka.batches import Batches
from halt400.kafka.clients import (
    DURABLE,
    CachedPartitioner,
    close_producer,
    closed_on_failure,
    missing_topic,
    start_client,
)
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet_task
from halt400.publisher.buffer import Buffer, BufferedEvent
from halt400.tracing import PublishTraces

__all__ = ["LARGEST_EVENT_BYTES", "SendingLoop", "TracedSendingLoop"]

log = logging.getLogger(__name__)

LARGEST_EVENT_BYTES = 8 * 1024 * 1024
LARGEST_BATCH_BYTES = 256 * 1024
ENVELOPE_BYTES = 64 * 1024
"""Events that share a record are about so many bytes together."""
MOST_IN_FLIGHT = 20_000
TAKEN_AT_ONCE = 100
ADDED_AT_ONCE = 2_000
"""Events after which open batches are sent, also where more keep coming."""
MOST_QUIET_PAUSES = 8
"""Pauses without an event after which the loop waits to be woken."""


class SendingLoop:
    """Sends the events of `buffer` in order; those that a lost connection has not acknowledged are put back.

    Parameters
    ----------
    producer_options
        Arguments for ``aiokafka.AIOKafkaProducer`` in addition to those of the connection.
    linger_s
        How long an event waits to be sent with others, in seconds, unless `send_now` is set.
    stale_after_s
        Seconds without an acknowledgement, while events are in flight, after which the loop reconnects.
    clock
        Monotonic seconds.
    envelopes
        Whether events may share records; see `halt400.kafka.batches`.

    Attributes
    ----------
    wake, send_now : asyncio.Event
        To be set when the buffer has an event; `send_now` if it does not wait for others.
    progress : asyncio.Event
        Set whenever an event was acknowledged, rejected or put back.
    in_flight : dict of int to BufferedEvent
        Events handed to the producer and not yet acknowledged, by sequence number.
    acknowledged, rejected : int
        Events that all in-sync replicas have, and events that the broker refused.
    connected : bool
        Whether there is a connection, with no error so far.
    """

    def __init__(
        self,
        buffer: Buffer,
        kafka: KafkaConnection,
        topic: str,
        producer_options: Mapping[str, Any],
        *,
        linger_s: float,
        stale_after_s: float,
        max_backoff_s: float,
        clock: Callable[[], float],
        envelopes: bool,
    ) -> None:
        self._buffer, self._kafka, self._topic = buffer, kafka, topic
        self._linger_s, self._stale_after_s, self._max_backoff_s = linger_s, stale_after_s, max_backoff_s
        self._clock = clock
        self._producer_options: dict[str, Any] = {
            **DURABLE,
            "max_batch_size": LARGEST_BATCH_BYTES,
            "max_request_size": LARGEST_EVENT_BYTES,
            "request_timeout_ms": int(max(stale_after_s, 10) * 1000),
            "retry_backoff_ms": 1000,
            **producer_options,
            **kafka.client_options(),
        }
        self._partitioner = CachedPartitioner()
        self._envelope_bytes = ENVELOPE_BYTES if envelopes else 0
        self.wake, self.send_now, self.progress = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.in_flight: dict[int, BufferedEvent] = {}
        self.acknowledged = self.rejected = 0
        self.connected = False
        self._last_progress = clock()
        self._broken: BaseException | None = None
        self._quiet_pauses = 0
        self._alone_up_to = 0
        self._rejected_before = 0

    async def run(self) -> None:
        """Send until cancelled."""
        quiet_task()
        backoff = Backoff(self._max_backoff_s)
        while True:
            producer: AIOKafkaProducer | None = None
            try:
                producer = await self._connect()
                self._broken, self.connected, self._last_progress = None, True, self._clock()
                acknowledged = self.acknowledged
                await self._send(producer)
            except (KafkaError, Halt400Error, OSError, TimeoutError) as error:
                if producer is not None and self.acknowledged > acknowledged:
                    backoff.reset()
                if backoff.is_news(error):
                    log.warning("Publishing to %s: %s Reconnecting; the scraper goes on.", self._topic, error)
            except Exception:
                # No error may end the scraper or its publishing.
                log.exception("Publishing to %s failed; reconnecting.", self._topic)
            finally:
                self.connected = False
                if producer is not None:
                    await close_producer(producer)
                self._put_back()
            await backoff.pause()

    def is_done_up_to(self, sequence: int) -> bool:
        """Whether every event up to this sequence number was acknowledged, rejected or dropped."""
        first = self._buffer.first_sequence
        return (first is None or first > sequence) and all(number > sequence for number in self.in_flight)

    async def _connect(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(**self._producer_options)
        async with closed_on_failure(producer, self._kafka):
            async with asyncio.timeout(self._stale_after_s):
                await start_client(producer)
                # Checked first: sending to a missing topic can create it, with settings that are not ours.
                topics = (await producer.client.fetch_all_metadata()).topics()
                if self._topic not in topics:
                    raise missing_topic(self._topic, self._kafka)
                await producer.partitions_for(self._topic)
        return producer

    async def _send(self, producer: AIOKafkaProducer) -> None:
        envelope_bytes = min(self._envelope_bytes, self._producer_options["max_batch_size"])
        batches = Batches(producer, self._topic, self._partitioner, self._on_sent, envelope_bytes=envelope_bytes)
        added = 0
        while True:
            if self._broken is not None:
                raise BrokerUnavailable(f"Kafka did not acknowledge an event ({self._broken!r}).") from self._broken
            if self.in_flight and self._clock() - self._last_progress > self._stale_after_s:
                raise BrokerUnavailable(f"Kafka has acknowledged nothing for {self._stale_after_s:g} s.")
            taken = self._buffer.take(min(TAKEN_AT_ONCE, MOST_IN_FLIGHT - len(self.in_flight)))
            if taken:
                self._quiet_pauses = 0
                if not self.in_flight:
                    self._last_progress = self._clock()
                for entry in taken:
                    self.in_flight[entry.sequence] = entry
                    if entry.value is not None:
                        batches.add(entry.key, entry.value, entry, alone=entry.sequence <= self._alone_up_to)
                added += len(taken)
            if not taken or added >= ADDED_AT_ONCE:
                batches.submit()
                added = 0
            # The scraper's own tasks must run, too.
            await (asyncio.sleep(0) if taken else self._pause())

    async def _pause(self) -> None:
        """Wait for events, and then until many can be sent in one batch, unless one of them is urgent.

        While events keep coming the loop looks for them by itself: nobody has to wake it, which in another thread
        costs as much as publishing does.
        """
        if self._quiet_pauses >= MOST_QUIET_PAUSES or len(self.in_flight) >= MOST_IN_FLIGHT:
            self.wake.clear()
            if len(self._buffer) and len(self.in_flight) < MOST_IN_FLIGHT:
                return
            try:
                async with asyncio.timeout(1.0 if self.in_flight else None):
                    await self.wake.wait()
            except TimeoutError:
                return
            self._quiet_pauses = 0
        self._quiet_pauses += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(self._linger_s):
                await self.send_now.wait()
        self.send_now.clear()

    def _on_sent(self, entries: list[BufferedEvent], sent: "asyncio.Future[RecordMetadata]") -> None:
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        entries = [entry for entry in entries if self.in_flight.get(entry.sequence) is entry]
        if not entries:
            return
        was_full = len(self.in_flight) >= MOST_IN_FLIGHT
        if error is None:
            for entry in entries:
                del self.in_flight[entry.sequence]
            self.acknowledged += len(entries)
            self._last_progress = self._clock()
        elif isinstance(error, MessageSizeTooLargeError) and len(entries) == 1:
            self._reject(entries[0], error)
        else:
            if isinstance(error, MessageSizeTooLargeError):
                self._send_alone(entries)
            self._broken = self._broken or error
        self.progress.set()
        if self._broken is not None or was_full:
            self.wake.set()
            self.send_now.set()

    def _send_alone(self, entries: list[BufferedEvent]) -> None:
        """Send these events again, each alone: the broker takes less than their batch.

        Where it has refused none of them alone the last time, all batches are too large, and are halved.
        """
        if self._broken is None:
            if self._alone_up_to and self.rejected == self._rejected_before:
                self._producer_options["max_batch_size"] = max(self._producer_options["max_batch_size"] // 2, 1)
            self._rejected_before = self.rejected
        self._alone_up_to = max(self._alone_up_to, *(entry.sequence for entry in entries))

    def _reject(self, entry: BufferedEvent, error: BaseException) -> None:
        del self.in_flight[entry.sequence]
        self.rejected += 1
        log.warning("The broker refused an event of %d bytes for %s: %r", entry.size_bytes, entry.key.decode(), error)

    def _put_back(self) -> None:
        """Put the events that the lost connection did not acknowledge back into the buffer.

        The broker may have some of them: such an event is published twice, with the same id.
        """
        taken = list(self.in_flight.values())
        self.in_flight.clear()
        self._buffer.put_back(taken)
        self.progress.set()


class TracedSendingLoop(SendingLoop):
    """Ends the spans of the 400s that are acknowledged or rejected; without traces nothing of this is paid."""

    traces: PublishTraces

    def _on_sent(self, entries: list[BufferedEvent], sent: "asyncio.Future[RecordMetadata]") -> None:
        super()._on_sent(entries, sent)
        for entry in entries:
            if entry.is_bad_request and entry.sequence not in self.in_flight:
                self.traces.end(entry.value, None if sent.cancelled() else sent.exception())
