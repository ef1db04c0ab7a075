"""Publishes response events to Kafka, and never slows or breaks the scraper.

`Publisher.publish` puts the event into a bounded buffer and returns; a task sends it. While Kafka is unavailable the
buffer fills; when it is full the oldest events that are no 400 are dropped first, 400s last, and both are counted.
Synchronous scrapers use `halt400.sync.SyncPublisher`.
"""

import asyncio
import logging
import os
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
from halt400.publisher.sending_loop import LARGEST_EVENT_BYTES, SendingLoop, TracedSendingLoop
from halt400.records import ResponseEvent
from halt400.start_stop import StartStop
from halt400.tracing import publish_traces

__all__ = ["Compression", "Publisher", "PublisherStats"]

log = logging.getLogger(__name__)

ENVELOPES_VARIABLE = "HALT400_ENVELOPES"


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
        Events dropped because the buffer was full, or at the end: those that were no 400s, and 400s.
    rejected
        Events that cannot be encoded, or that the broker refuses, such as one of more than 8 MiB.
    buffered, in_flight
        Events that wait, and events that were sent and are not acknowledged yet.
    """

    published: int
    acknowledged: int
    dropped: int
    dropped_bad_requests: int
    rejected: int
    buffered: int
    in_flight: int


class Publisher(StartStop):
    """Publishes response events from asyncio code.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    buffer_bytes
        Most bytes of encoded events that wait in memory.
    sampler
        Slims the events that are no 400s; ``None`` publishes every event complete, as a replay does.
    linger_ms
        How long an event waits to be sent with others, in milliseconds. A 400 does not wait, nor do those before it.
    compression
        A codec that every reader needs too. ``lz4`` and ``zstd`` need ``pip install cramjam``; without it events are
        published uncompressed, with a warning.
    stale_after_s
        Seconds without an acknowledgement, while events are in flight, after which the publisher reconnects.
    max_backoff_s
        Longest pause between two attempts to connect, in seconds.
    clock
        Monotonic seconds.
    envelopes
        Whether events may share records: under load, 16 or more that wait for one partition go as a JSON array, which
        is cheap to read. None: unless the environment has ``HALT400_ENVELOPES=false``. Workers without envelopes refuse
        such records, so upgrade them first.

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
        linger_ms: int = 250,
        compression: Compression | None = None,
        stale_after_s: float = 30.0,
        max_backoff_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        envelopes: bool | None = None,
    ) -> None:
        self.kafka = KafkaConnection.of(kafka)
        self.topic = self.kafka.topic("responses")
        self._sampler = HeaderSampler() if sampler == "default" else sampler
        self._buffer = Buffer(buffer_bytes)
        self._encoder = msgspec.json.Encoder()
        self._traces = publish_traces(self.topic)
        self._loop = (SendingLoop if self._traces is None else TracedSendingLoop)(
            self._buffer,
            self.kafka,
            self.topic,
            {"client_id": "halt400-publisher", "compression_type": available_codec(compression)},
            linger_s=linger_ms / 1000,
            stale_after_s=stale_after_s,
            max_backoff_s=max_backoff_s,
            clock=clock,
            envelopes=_may_use_envelopes() if envelopes is None else envelopes,
        )
        if self._traces is not None and isinstance(self._loop, TracedSendingLoop):
            self._loop.traces = self._traces
        self._wake, self._send_now, self._progress = self._loop.wake, self._loop.send_now, self._loop.progress
        self._published = 0
        self._rejected = 0
        self._accepting = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to connect in the background; this does not wait for Kafka and does not fail without it."""
        if self._task is None:
            self._task = asyncio.create_task(self._loop.run(), name="halt400-publish")

    @property
    def connected(self) -> bool:
        """Whether there is a connection, with no error so far."""
        return self._loop.connected

    @property
    def stats(self) -> PublisherStats:
        """Counts of the events so far."""
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
        """Publish one event. Returns at once and never raises; what cannot be published is counted in `stats`."""
        if self.accept(event):
            self.wake(send_now=event.response.status == 400)

    def publish_bare(self, target: str, method: str, status: int, value: bytes) -> None:
        """Publish one event that is encoded already, of a response for which `wants_headers` said no; see `publish`."""
        if self.accept_bare(target, method, status, value):
            self._wake.set()

    def publish_soon(self, event: ResponseEvent) -> None:
        """Publish one event from a finalizer, which may run in any thread, also in the midst of `publish`."""
        task = self._task
        if task is not None:
            with suppress(RuntimeError):
                task.get_loop().call_soon_threadsafe(self.publish, event)

    def wake(self, *, send_now: bool = False) -> None:
        """Wake the sending task, with `send_now` without the usual linger; call it in the task's event loop."""
        self._wake.set()
        if send_now:
            self._send_now.set()

    @property
    def is_idle(self) -> bool:
        """Whether the sending task waits for events."""
        return not self._wake.is_set()

    def wants_headers(self, target: str, method: str, status: int) -> bool:
        """Whether the next response of this kind is published with headers, so that a caller may leave them out."""
        return self._sampler is None or self._sampler.wants_headers(target, method, status)

    def accept(self, event: ResponseEvent) -> bool:
        """Encode and buffer one event, and do not wake the sending task; safe from any thread.

        `SyncPublisher` calls this, then wakes the task through its event loop.
        """
        self._published += 1
        if not self._accepting:
            self._rejected += 1
            return False
        span = None
        try:
            is_bad_request = event.response.status == 400
            if is_bad_request and self._traces is not None:
                event, span = self._traces.begin(event)
            slim = event if self._sampler is None else self._sampler.slim(event)
            key, value = event.target.encode(), self._encoder.encode(slim)
        except (TypeError, ValueError, AttributeError, msgspec.MsgspecError) as error:
            self._rejected += 1
            log.warning("An event cannot be encoded and is not published: %r", error)
            return False
        if self._is_too_large(value, event.target):
            return False
        if span is not None and self._traces is not None:
            self._traces.wait(value, span)
        self._buffer.put(key, value, is_bad_request=is_bad_request)
        return True

    def accept_bare(self, target: str, method: str, status: int, value: bytes) -> bool:
        """Like `accept`, of an event that is encoded already; see `publish_bare`."""
        self._published += 1
        if not self._accepting:
            self._rejected += 1
            return False
        if self._sampler is not None:
            self._sampler.count(target, method, status)
        if self._is_too_large(value, target):
            return False
        self._buffer.put(target.encode(), value, is_bad_request=False)
        return True

    def _is_too_large(self, value: bytes, target: str) -> bool:
        if len(value) <= LARGEST_EVENT_BYTES - 1024:
            return False
        self._rejected += 1
        log.warning("An event of %d bytes for %s is too large and is not published.", len(value), target)
        return True

    async def put(self, event: ResponseEvent) -> None:
        """Publish one event, and wait until the buffer has room, so that nothing is dropped; for replays.

        Raises
        ------
        PublishError
            The event cannot be encoded or is too large.
        """
        while not self._buffer.has_room_for(self._buffer.limit_bytes // 8):
            self.wake(send_now=True)
            self._progress.clear()
            await self._progress.wait()
        if not self.accept(event):
            raise PublishError(f"The event {event.id!r} cannot be published.", "See the log for the reason.")
        self.wake()

    async def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until every event so far is acknowledged, rejected or dropped.

        Returns
        -------
        bool
            Whether that happened within `timeout_s` seconds.
        """
        await asyncio.sleep(0)  # what finalizers have published by `publish_soon` comes first
        target = self._buffer.last_sequence
        self._send_now.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._loop.is_done_up_to(target):
                    self._progress.clear()
                    await self._progress.wait()
        return self._loop.is_done_up_to(target)

    async def close(self, timeout_s: float = 5.0) -> None:
        """Flush for at most `timeout_s` seconds, then stop; events that remain are counted as dropped."""
        await asyncio.sleep(0)
        self._accepting = False
        task, self._task = self._task, None
        if task is None:
            return
        await self.flush(timeout_s)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._drop_the_rest()

    async def stop(self) -> None:
        """Close with the default timeout, as leaving ``async with`` does."""
        await self.close()

    def _drop_the_rest(self) -> None:
        dropped = self._buffer.drop_all()
        if dropped:
            log.warning("%d events were not published to %s before the end.", dropped, self.topic)


def _may_use_envelopes() -> bool:
    return os.environ.get(ENVELOPES_VARIABLE, "").strip().lower() not in {"0", "false", "no", "off"}
