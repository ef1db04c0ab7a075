"""Publish response events to Kafka without ever slowing or breaking the scraper that does so.

`Publisher.publish` puts the event into a bounded buffer and returns; a task of its own brings it to Kafka. While Kafka
is away the buffer fills, then the oldest events that are no 400 are given up, 400s last of all, and both are counted.
Synchronous scrapers use `halt400.sync.SyncPublisher`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from halt400.errors import PublishError
from halt400.kafka.clients import Compression, available_codec
from halt400.kafka.connection import KafkaConnection
from halt400.publisher.buffer import Buffer
from halt400.publisher.sampling import HeaderSampler
from halt400.publisher.sending_loop import LARGEST_EVENT_BYTES, SendingLoop
from halt400.records import ResponseEvent
from halt400.start_stop import StartStop

__all__ = ["Compression", "Publisher", "PublisherStats"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PublisherStats:
    """What became of the events: ``published = acknowledged + rejected + dropped... + buffered + in_flight``.

    Attributes
    ----------
    published
        Events handed to `publish`.
    acknowledged
        Events that all in-sync replicas have.
    dropped, dropped_bad_requests
        Events given up for want of room or at the end: those that were no 400s, and 400s.
    rejected
        Events that cannot be encoded, or that the broker refuses, such as one larger than 8 MiB.
    buffered, in_flight
        Events on their way.
    """

    published: int
    acknowledged: int
    dropped: int
    dropped_bad_requests: int
    rejected: int
    buffered: int
    in_flight: int


class Publisher(StartStop):
    """Publish response events from asyncio code.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    buffer_bytes
        Most bytes that wait for Kafka in memory, encoded.
    sampler
        Slims the events that are no 400s; ``None`` publishes every event whole, as a replay wants it.
    linger_ms
        How long an event waits for company, in milliseconds; a 400 does not wait.
    compression
        A codec that every reader must have too; ``lz4`` and ``zstd`` need ``pip install cramjam`` and are left out
        with a warning where it is missing.
    stale_after_s
        Seconds without an acknowledgement, with events under way, after which the connection is made afresh.
    max_backoff_s
        Longest pause between two attempts to connect, in seconds.
    clock
        Monotonic seconds.

    Examples
    --------
    >>> async def scrape(kafka: str) -> None:
    ...     async with Publisher(kafka) as publisher:
    ...         publisher.publish(response_event(method="GET", url=url, status=200, job_id="extract-099"))
    """

    def __init__(
        self,
        kafka: str | KafkaConnection,
        *,
        buffer_bytes: int = 32 * 1024 * 1024,
        sampler: HeaderSampler | Literal["default"] | None = "default",
        linger_ms: int = 20,
        compression: Compression | None = None,
        stale_after_s: float = 30.0,
        max_backoff_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kafka = KafkaConnection.of(kafka)
        self.topic = self.kafka.topic("responses")
        self._sampler = HeaderSampler() if sampler == "default" else sampler
        self._buffer = Buffer(buffer_bytes)
        self._encoder = msgspec.json.Encoder()
        self._loop = SendingLoop(
            self._buffer,
            self.kafka,
            self.topic,
            {"client_id": "halt400-publisher", "compression_type": available_codec(compression)},
            linger_s=linger_ms / 1000,
            stale_after_s=stale_after_s,
            max_backoff_s=max_backoff_s,
            clock=clock,
        )
        self._wake, self._hurry, self._progress = self._loop.wake, self._loop.hurry, self._loop.progress
        self._published = 0
        self._rejected = 0
        self._accepting = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect, in the background: this neither waits for Kafka nor fails where it is away."""
        if self._task is None:
            self._task = asyncio.create_task(self._loop.run(), name="halt400-publish")

    @property
    def connected(self) -> bool:
        """Whether there is a connection that has shown no trouble."""
        return self._loop.connected

    @property
    def stats(self) -> PublisherStats:
        """What became of the events so far."""
        return PublisherStats(
            published=self._published,
            acknowledged=self._loop.acknowledged,
            dropped=self._buffer.dropped,
            dropped_bad_requests=self._buffer.dropped_bad_requests,
            rejected=self._rejected + self._loop.rejected,
            buffered=len(self._buffer),
            in_flight=len(self._loop.in_flight),
        )

    def publish(self, event: ResponseEvent) -> None:
        """Hand in one event. Returns at once and never raises: what cannot be published is counted in `stats`."""
        if self.accept(event):
            self.wake(hurry=event.response.status == 400)

    def wake(self, *, hurry: bool = False) -> None:
        """Tell the sending task that there is something to send, perhaps at once; to be called in its event loop."""
        self._wake.set()
        if hurry:
            self._hurry.set()

    @property
    def is_idle(self) -> bool:
        """Whether the sending task waits to be woken."""
        return not self._wake.is_set()

    def accept(self, event: ResponseEvent) -> bool:
        """Encode and buffer one event without waking the sending task; safe from any thread.

        `SyncPublisher` calls this and wakes the task through its loop.
        """
        self._published += 1
        if not self._accepting:
            self._rejected += 1
            return False
        try:
            slim = event if self._sampler is None else self._sampler.slim(event)
            key, value = event.target.encode(), self._encoder.encode(slim)
            is_bad_request = event.response.status == 400
        except (TypeError, ValueError, AttributeError, msgspec.MsgspecError) as error:
            self._rejected += 1
            log.warning("An event cannot be encoded and is not published: %r", error)
            return False
        if len(value) > LARGEST_EVENT_BYTES - 1024:
            self._rejected += 1
            log.warning("An event of %d bytes for %s is too large and is not published.", len(value), event.target)
            return False
        self._buffer.put(key, value, is_bad_request=is_bad_request)
        return True

    async def put(self, event: ResponseEvent) -> None:
        """Hand in one event and wait for room where there is none, so that nothing is dropped; for replays.

        Raises
        ------
        PublishError
            The event cannot be encoded or is too large.
        """
        while not self._buffer.has_room_for(self._buffer.limit_bytes // 8):
            self._progress.clear()
            await self._progress.wait()
        if not self.accept(event):
            raise PublishError(f"The event {event.id!r} cannot be published.", "See the log for the reason.")
        self.wake()

    async def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until every event handed in so far was acknowledged, or given up.

        Returns
        -------
        bool
            Whether that was so within `timeout_s` seconds.
        """
        target = self._buffer.last_sequence
        self._hurry.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._loop.is_done_up_to(target):
                    self._progress.clear()
                    await self._progress.wait()
        return self._loop.is_done_up_to(target)

    async def close(self, timeout_s: float = 5.0) -> None:
        """Send what is there for at most `timeout_s` seconds, then stop; what is left is counted as dropped."""
        self._accepting = False
        task, self._task = self._task, None
        if task is None:
            return
        await self.flush(timeout_s)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._give_up_the_rest()

    async def stop(self) -> None:
        """Close within the usual time; leaving the publisher does it."""
        await self.close()

    def _give_up_the_rest(self) -> None:
        given_up = self._buffer.give_up()
        if given_up:
            log.warning("%d events were not published to %s before the end.", given_up, self.topic)
