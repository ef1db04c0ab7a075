"""Follow a compacted topic: the latest value of every key, in memory, without a consumer group.

The gate follows `control` with it, the query API follows the table's changelog with it. A follower never gives up what
it knows: while the broker is away it keeps the last values, says so in `healthy`, and reconnects with backoff.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, ParamSpec, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError, OffsetOutOfRangeError

from halt400.backoff import Backoff
from halt400.errors import BrokerUnavailable, Halt400Error, TopicMismatch
from halt400.kafka.clients import close_consumer, end_offsets, load_partitions
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.latest import Changes, LatestValues
from halt400.start_stop import StartStop

__all__ = ["Changes", "Follower"]

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


class Follower(StartStop):
    """Keep the latest value per key of a compacted topic.

    Parameters
    ----------
    kafka
        The connection, or Kafka's addresses: ``host:port,host:port``.
    topic
        The topic to follow; it is never created by following it.
    on_changes
        Called after each poll that changed something, with the changes of that poll folded to one per key. It runs in
        the event loop and must not block. An exception in it ends the follower, see `failure`.
    on_records
        Called before that with each poll's records of a partition, in order, as aiokafka gives them; for a topic that
        is a log. After a broken connection records may come again. The same holds for it as for `on_changes`.
    newer
        ``newer(old, new) -> bool``: whether `new` replaces `old`. Default: the record written last wins. A delete
        always wins.
    at_start
        ``"wait"``: entering returns at once and the follower waits for the broker and the topic in the background.
        ``"raise"``: entering connects, and raises where it cannot.
    stale_after_s
        Seconds without an answer of the broker after which the connection is given up and made afresh.
    metadata_max_age_s
        Seconds after which partitions added to the topic are noticed.
    max_backoff_s
        Longest pause between two attempts to connect, in seconds; the first is a tenth of a second.
    client_id
        What the consumer is called in the broker's logs and quotas.
    clock
        Monotonic seconds.

    Attributes
    ----------
    values : dict of bytes to bytes
        The latest value per key as it came; nothing is decoded. The same object for the follower's life. Read only.
    failure : BaseException or None
        What ended the follower, if anything did.

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
        self._at_start = at_start
        self._stale_after_s = stale_after_s
        self._max_backoff_s = max_backoff_s
        self._clock = clock
        self._consumer_options: dict[str, Any] = {
            "client_id": client_id,
            "request_timeout_ms": int(max(stale_after_s, 10) * 1000),
            "retry_backoff_ms": 1000,
            "metadata_max_age_ms": int(metadata_max_age_s * 1000),
            "max_partition_fetch_bytes": 8 * 1024 * 1024,
            **self.kafka.client_options(),
            "group_id": None,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
        }
        self._consumer: AIOKafkaConsumer | None = None
        self._lost: asyncio.Future[None] | None = None
        self._connected = asyncio.Event()
        self._positions: dict[int, int] = {}
        self._last_contact: float | None = None
        self._caught_up = False
        self._waiting: list[_Waiter] = []
        self._predicates: list[tuple[Callable[[Mapping[bytes, bytes]], bool], asyncio.Future[None]]] = []
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
        consumer = await self._connect() if self._at_start == "raise" else None
        self._task = asyncio.create_task(self._run(consumer), name=f"halt400-follow-{self.topic}")

    async def stop(self) -> None:
        """Stop following; what is known stays in `values`."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._fail_waiters(BrokerUnavailable(f"The follower of {self.topic} was stopped."))
        self._connected.set()

    def forget(self, keys: Iterable[bytes]) -> None:
        """Let go of keys of which nothing will be asked, such as those that the topic's own retention has deleted."""
        self._latest.forget(keys)

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since the broker last answered a fetch; ``None`` before the first answer."""
        return None if self._last_contact is None else self._clock() - self._last_contact

    @property
    def caught_up(self) -> bool:
        """Whether the end of the topic, as it was when the follower first connected, has been reached."""
        return self._caught_up

    @property
    def healthy(self) -> bool:
        """Whether `values` is the topic's state as of at most `stale_after_s` ago."""
        age = self.last_contact_age_s
        return self._caught_up and age is not None and age <= self._stale_after_s and self.failure is None

    async def wait_caught_up(self) -> None:
        """Wait until `values` holds everything that was in the topic when this was called, on all partitions.

        Waits as long as it takes, through outages; put it under ``asyncio.timeout`` for a deadline.
        """
        while True:
            self._raise_if_ended()
            await self._connected.wait()
            consumer, lost = self._consumer, self._lost
            if consumer is None or lost is None:
                continue
            asked = asyncio.ensure_future(end_offsets(consumer))
            try:
                either: list[asyncio.Future[Any]] = [asked, lost]
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                asked.cancel()
            if not asked.done():
                continue
            error = asked.exception()
            if isinstance(error, KafkaTimeoutError) or getattr(error, "retriable", False):
                continue
            if error is not None:
                raise BrokerUnavailable(f"Kafka does not tell the end of {self.topic} ({error!r}).") from error
            waiter = _Waiter(asked.result())
            if not self._latest.is_reloading and self._is_met(waiter):
                return
            self._waiting.append(waiter)
            if await waiter.future:
                return

    async def wait_until(self, predicate: Callable[[Mapping[bytes, bytes]], bool]) -> None:
        """Wait until ``predicate(values)`` is true; it is asked at once and after each poll that changed something."""
        self._raise_if_ended()
        if predicate(self.values):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (predicate, future)
        self._predicates.append(entry)
        try:
            await future
        finally:
            if entry in self._predicates:
                self._predicates.remove(entry)

    # The loop

    async def _run(self, consumer: AIOKafkaConsumer | None) -> None:
        backoff = Backoff(self._max_backoff_s)
        try:
            while True:
                began = self._clock()
                try:
                    if consumer is None:
                        consumer = await self._connect()
                    await self._follow(consumer)
                except OffsetOutOfRangeError:
                    log.warning("%s was truncated or made anew; reading it again from its beginning.", self.topic)
                    self._begin_reload()
                except (KafkaError, Halt400Error, OSError, TimeoutError) as error:
                    if isinstance(error, TopicMismatch) and self._positions:
                        self._begin_reload()
                    if backoff.is_news(error):
                        log.warning("Following %s: %s Trying again; what is known is kept.", self.topic, error)
                except _CallbackFailed:
                    raise
                except Exception:
                    log.exception("Following %s failed; trying again with a new connection.", self.topic)
                finally:
                    self._disconnected()
                    if consumer is not None:
                        await close_consumer(consumer)
                        consumer = None
                if self._clock() - began > 2 * self._max_backoff_s:
                    backoff.reset()
                await backoff.pause()
        except _CallbackFailed as failed:
            self.failure = failed.error
            log.error("The follower of %s ended: its callback failed.", self.topic, exc_info=failed.error)
            self._fail_waiters(failed.error)
            self._connected.set()

    async def _connect(self) -> AIOKafkaConsumer:
        """Connect and place every partition: where it was left, or at its beginning."""
        consumer = AIOKafkaConsumer(**self._consumer_options)
        try:
            await consumer.start()
            if self.topic not in await consumer.topics():
                raise TopicMismatch(
                    f"The topic {self.topic} does not exist on {self.kafka.servers}.",
                    "Run `halt400 topics apply`.",
                )
            await self._assign(consumer, await load_partitions(consumer, self.topic) or 1)
        except (KafkaError, OSError, TimeoutError) as error:
            await close_consumer(consumer)
            raise BrokerUnavailable(
                f"Kafka at {self.kafka.servers} does not answer ({error!r}).",
                "Start the broker, or correct the address.",
            ) from error
        except BaseException:
            await close_consumer(consumer)
            raise
        return consumer

    async def _assign(self, consumer: AIOKafkaConsumer, partitions: int) -> None:
        missing = [TopicPartition(self.topic, number) for number in range(partitions) if number not in self._positions]
        if missing:
            beginnings = await consumer.beginning_offsets(missing)
            self._positions.update({found.partition: offset for found, offset in beginnings.items()})
        # No await from here on: the fetcher must not look before every partition has its position.
        assignment = [TopicPartition(self.topic, number) for number in range(partitions)]
        consumer.assign(assignment)
        for found in assignment:
            consumer.seek(found, self._positions[found.partition])

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        assigned = sorted(consumer.assignment())
        first_ends: _Waiter | None = None
        if not self._caught_up or self._latest.is_reloading:
            first_ends = _Waiter(await end_offsets(consumer))
        self._consumer = consumer
        self._last_contact = self._clock()
        self._lost = asyncio.get_running_loop().create_future()
        self._connected.set()
        last_poll_ms: dict[TopicPartition, int | None] = {}
        while True:
            polled = await consumer.getmany(timeout_ms=500)
            if polled:
                self._apply(polled)
            answered = False
            for found in assigned:
                self._positions[found.partition] = await consumer.position(found)
                stamp = consumer.last_poll_timestamp(found)
                answered = answered or stamp != last_poll_ms.get(found)
                last_poll_ms[found] = stamp
            now = self._clock()
            if answered:
                self._last_contact = now
            elif now - self._last_contact > self._stale_after_s:
                raise BrokerUnavailable(
                    f"Kafka at {self.kafka.servers} has not answered for {self._stale_after_s:g} s."
                )
            if first_ends is not None and self._is_met(first_ends):
                first_ends = None
                self._caught_up = True
                if changes := self._latest.end_reload():
                    self._tell(changes)
            if self._waiting and not self._latest.is_reloading:
                self._release_waiters()
            known = len(consumer.partitions_for_topic(self.topic) or ())
            if known > len(assigned):
                log.info("%s has grown from %d to %d partitions.", self.topic, len(assigned), known)
                await self._assign(consumer, known)
                assigned = sorted(consumer.assignment())

    def _disconnected(self) -> None:
        self._connected.clear()
        self._consumer = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)

    def _apply(self, polled: Mapping[TopicPartition, list[Any]]) -> None:
        if self._on_records is not None:
            for records in polled.values():
                self._on_records(records)
        changes = self._latest.apply((record.key, record.value) for records in polled.values() for record in records)
        if changes:
            self._tell(changes)

    def _tell(self, changes: Changes) -> None:
        if self._on_changes is not None:
            self._on_changes(changes)
        for predicate, future in list(self._predicates):
            if not future.done() and predicate(self.values):
                future.set_result(None)

    def _begin_reload(self) -> None:
        """Read the topic anew beside the values known, which stand until the new ones are whole."""
        self._positions.clear()
        self._latest.begin_reload()
        for waiter in self._waiting:
            if not waiter.future.done():
                waiter.future.set_result(False)
        self._waiting.clear()

    # Those who wait

    def _is_met(self, waiter: "_Waiter") -> bool:
        return all(self._positions.get(partition, 0) >= end for partition, end in waiter.ends.items())

    def _release_waiters(self) -> None:
        for waiter in self._waiting:
            if not waiter.future.done() and self._is_met(waiter):
                waiter.future.set_result(True)
        self._waiting = [waiter for waiter in self._waiting if not waiter.future.done()]

    def _fail_waiters(self, error: BaseException) -> None:
        futures: list[asyncio.Future[Any]] = [waiter.future for waiter in self._waiting]
        futures += [future for _, future in self._predicates]
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()

    def _raise_if_ended(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._task is None:
            raise BrokerUnavailable(f"The follower of {self.topic} is not running.", "Enter it with `async with`.")


class _Waiter:
    """Someone who waits until `ends` (partition -> offset) are reached; ``False`` says that they hold no longer."""

    def __init__(self, ends: dict[int, int]) -> None:
        self.ends = ends
        self.future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()


class _CallbackFailed(Exception):
    """A function given by the user failed; a new connection would not mend that."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _guarded(function: Callable[P, T]) -> Callable[P, T]:
    def call(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except Exception as error:
            raise _CallbackFailed(error) from error

    return call
