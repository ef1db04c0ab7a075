"""The follower of a compacted topic: the latest value of every key, in memory, without a consumer group.

The gate follows `control`, the query API follows `rates`, `control` and `savings`. While the broker is unavailable a
follower keeps the last values, `healthy` is false, and it reconnects with backoff.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, ParamSpec, TypeVar

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from halt400.backoff import Backoff
from halt400.errors import BrokerUnavailable, Halt400Error, TopicMismatch
from halt400.kafka.belief import belief_of
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.latest import Changes, LatestValues
from halt400.kafka.quiet import quiet_task
from halt400.kafka.topic_reader import TopicReader, is_reached
from halt400.kafka.waiters import Predicate, Waiters
from halt400.start_stop import StartStop

__all__ = ["Changes", "Follower"]

log = logging.getLogger(__name__)

MOST_AT_ONCE = 100
"""Records applied in one go, a millisecond or two: then whatever else the event loop has to do has its turn."""

P = ParamSpec("P")
T = TypeVar("T")


class Follower(StartStop):
    """Keeps the latest value per key of a compacted topic.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    topic
        Full name of the topic; it is never created by following it.
    on_changes
        Called after each poll that changed something, with the last change of each key. It runs in the event loop and
        must not block. An exception in it ends the follower, see `failure`.
    on_records
        Called before `on_changes`, once per partition and poll, with all records in order; for a topic that is a log.
        After a lost connection records may come again. It must not block, and an exception ends the follower.
    on_refused
        Called with a record that no trusted key has signed, and why; it is left out. Only where keys are trusted
        (`halt400.signing`), and only of `control`. Default: a line in the log.
    newer
        ``newer(old, new) -> bool``: whether `new` replaces `old`. Default: the last record wins. A delete always
        wins.
    at_start
        ``"wait"``: starting returns at once, and the follower waits for broker and topic in the background.
        ``"raise"``: starting connects, and raises if it cannot.
    stale_after_s
        Seconds without an answer of the broker after which the follower reconnects.
    metadata_max_age_s
        Seconds after which partitions added to the topic are noticed.
    max_backoff_s
        Longest pause between two attempts to connect, in seconds; the first is 0.1 s.
    client_id
        Name of the consumer in the broker's logs and quotas.
    clock
        Monotonic seconds.

    Attributes
    ----------
    values : dict of bytes to bytes
        The latest value per key, not decoded. It stays the same object; read only.
    failure : BaseException or None
        The error that ended the follower, if any.

    Examples
    --------
    >>> async def quarantined_scopes(kafka: str) -> list[bytes]:
    ...     async with Follower(kafka, "halt400.control", at_start="raise") as follower:
    ...         await follower.wait_caught_up()
    ...         return list(follower.values)
    """

    def __init__(
        self,
        kafka: str | KafkaConnection,
        topic: str,
        *,
        on_changes: Callable[[Changes], None] | None = None,
        on_records: Callable[[Sequence[Any]], None] | None = None,
        on_refused: Callable[[Any, str], None] | None = None,
        newer: Callable[[bytes, bytes], bool] | None = None,
        at_start: Literal["wait", "raise"] = "wait",
        stale_after_s: float = 10.0,
        metadata_max_age_s: float = 30.0,
        max_backoff_s: float = 10.0,
        client_id: str = "halt400-follower",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kafka = KafkaConnection.of(kafka)
        self.topic = topic
        self._latest = LatestValues(None if newer is None else _guarded(newer))
        self.values = self._latest.values
        self.failure: BaseException | None = None
        self._on_changes = None if on_changes is None else _guarded(on_changes)
        self._on_records = None if on_records is None else _guarded(on_records)
        self._belief = belief_of(self.kafka, topic, on_refused)
        self._at_start = at_start
        self._stale_after_s = stale_after_s
        self._max_backoff_s = max_backoff_s
        self._clock = clock
        self._reader = TopicReader(
            self.kafka,
            topic,
            {
                "client_id": client_id,
                "request_timeout_ms": int(max(stale_after_s, 10) * 1000),
                "retry_backoff_ms": 1000,
                "metadata_max_age_ms": int(metadata_max_age_s * 1000),
                "max_partition_fetch_bytes": 8 * 1024 * 1024,
            },
            stale_after_s=stale_after_s,
            clock=clock,
        )
        self._caught_up = False
        self._waiters = Waiters()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow.

        Raises
        ------
        BrokerUnavailable
            Kafka does not answer, and `at_start` is ``"raise"``.
        TopicMismatch
            The topic does not exist, and `at_start` is ``"raise"``.
        """
        self._reader.open()
        if self._at_start == "raise":
            await self._reader.connect()
        self._task = asyncio.create_task(self._run(), name=f"halt400-follow-{self.topic}")

    async def stop(self) -> None:
        """Stop following; `values` stay."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await self._reader.disconnect()
        self._end(BrokerUnavailable(f"The follower of {self.topic} was stopped."))

    def forget(self, keys: Iterable[bytes]) -> None:
        """Drop keys that are no longer needed, such as those that the topic's retention has deleted."""
        self._latest.forget(keys)

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since a broker last answered, for the partition that waits longest; ``None`` before the first."""
        return self._reader.last_contact_age_s

    @property
    def age_s(self) -> float | None:
        """Age of `values` in seconds: they include everything that is older; ``None`` before that is known."""
        return self._reader.age_s

    @property
    def refused(self) -> int:
        """How many records no trusted key had signed."""
        return 0 if self._belief is None else self._belief.refused

    @property
    def caught_up(self) -> bool:
        """Whether everything that was in the topic when the follower first connected has been read."""
        return self._caught_up

    @property
    def healthy(self) -> bool:
        """Whether `values` is the topic's state as of at most `stale_after_s` ago."""
        age = self.age_s
        return self._caught_up and age is not None and age <= self._stale_after_s and self.failure is None

    @property
    def in_contact(self) -> bool:
        """Whether Kafka answers, also where there is more to read than it has given yet."""
        age = self.last_contact_age_s
        return self._caught_up and age is not None and age <= self._stale_after_s and self.failure is None

    async def wait_caught_up(self) -> None:
        """Wait until `values` includes everything that is in the topic now, on all partitions.

        It waits through outages; use ``asyncio.timeout`` for a deadline.
        """
        while True:
            self._raise_if_ended()
            ends = await self._reader.ends_once_connected()
            if not self._latest.is_reloading and is_reached(ends, self._reader.positions):
                return
            if await self._waiters.reached(ends):
                return

    async def wait_until(self, predicate: Predicate) -> None:
        """Wait until ``predicate(values)`` is true; it is called at once and after each poll with changes."""
        self._raise_if_ended()
        if not predicate(self.values):
            await self._waiters.until(predicate)

    async def _run(self) -> None:
        quiet_task()
        backoff = Backoff(self._max_backoff_s)
        try:
            while True:
                began = self._clock()
                try:
                    await self._reader.connect()
                    await self._follow()
                except OffsetOutOfRangeError:
                    log.warning("%s was truncated or recreated: it is read again from its beginning.", self.topic)
                    self._begin_reload()
                except (KafkaError, Halt400Error, OSError, TimeoutError) as error:
                    if isinstance(error, TopicMismatch) and self._reader.positions:
                        self._begin_reload()
                    if backoff.is_news(error):
                        log.warning("Following %s: %s Reconnecting; the last values are kept.", self.topic, error)
                except _CallbackFailed:
                    raise
                except Exception:
                    log.exception("Following %s failed; reconnecting.", self.topic)
                finally:
                    await self._reader.disconnect()
                if self._clock() - began > 2 * self._max_backoff_s:
                    backoff.reset()
                await backoff.pause()
        except _CallbackFailed as failed:
            self.failure = failed.error
            log.error("The follower of %s ended: a callback failed.", self.topic, exc_info=failed.error)
            self._end(failed.error)

    async def _follow(self) -> None:
        reader, first_ends, asked_at = self._reader, None, self._clock()
        if not self._caught_up or self._latest.is_reloading:
            first_ends = await reader.ends()
        while True:
            polled = await reader.poll(MOST_AT_ONCE)
            if polled and self._belief is not None:
                polled = await self._belief.believed(polled)
            if polled:
                self._apply(polled)
            await reader.advance()
            if first_ends is not None and is_reached(first_ends, reader.positions):
                first_ends = None
                reader.confirm(asked_at)
                self._caught_up = True
                if changes := self._latest.end_reload():
                    self._notify(changes)
            if not self._latest.is_reloading:
                self._waiters.positions_changed(reader.positions)
            await reader.assign_new_partitions()
            if polled:
                await asyncio.sleep(0)

    def _apply(self, polled: Mapping[Any, Sequence[Any]]) -> None:
        if self._on_records is not None:
            for records in polled.values():
                self._on_records(records)
        changes = self._latest.apply((record.key, record.value) for records in polled.values() for record in records)
        if changes:
            self._notify(changes)

    def _notify(self, changes: Changes) -> None:
        if self._on_changes is not None:
            self._on_changes(changes)
        self._waiters.values_changed(self.values)

    def _begin_reload(self) -> None:
        """Read the topic again from its beginning; the old values stay until the new ones are complete."""
        self._reader.positions.clear()
        self._latest.begin_reload()
        self._waiters.offsets_restarted()

    def _end(self, error: BaseException) -> None:
        self._waiters.fail(error)
        self._reader.close(error)

    def _raise_if_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._task is None:
            raise BrokerUnavailable(f"The follower of {self.topic} is not running.", "Enter it with `async with`.")


class _CallbackFailed(Exception):
    """A callback failed; reconnecting would not help."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _guarded(function: Callable[P, T]) -> Callable[P, T]:
    def call(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except Exception as error:
            raise _CallbackFailed(error) from error

    return call
