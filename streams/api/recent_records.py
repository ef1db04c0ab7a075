"""The newest records of a topic that is a log, in memory: a small value of each."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from halt400.backoff import Backoff
from halt400.errors import BrokerUnavailable, Halt400Error
from halt400.kafka.connection import KafkaConnection
from halt400.kafka.quiet import quiet_task
from halt400.kafka.topic_reader import TopicReader, is_reached
from halt400.start_stop import StartStop

__all__ = ["RecentRecords"]

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_KEPT = 2400
PAUSE_S = 0.5
"""Between two polls: a storm of records is sampled, so that reading it never competes with what writes it."""
MOST_AT_ONCE = 50
"""Records made to values in one go, a millisecond or two."""
STALE_AFTER_S = 10.0
LONGEST_BACKOFF_S = 10.0


class RecentRecords(StartStop, Generic[T]):
    """Keeps what `summarize` makes of the newest records.

    Parameters
    ----------
    topic
        Full name of the topic.
    partitions
        How many partitions it is expected to have; each keeps its part of `most`.
    summarize
        Makes a small value of a record; None for one that is not kept.
    on_new
        Called with the values of each poll after the first, by partition; it must not block.

    Attributes
    ----------
    skipped : int
        Records that were not read, because more came than are kept.
    """

    def __init__(
        self,
        kafka: KafkaConnection,
        topic: str,
        partitions: int,
        summarize: Callable[[Any], T | None],
        *,
        most: int = MOST_KEPT,
        on_new: Callable[[Sequence[T]], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.topic, self._summarize, self._on_new = topic, summarize, on_new
        self._most, self._clock = max(20, most // partitions), clock
        self.skipped = 0
        self.caught_up = False
        self._by_partition: dict[int, deque[T]] = {}
        self._reader = TopicReader(
            kafka,
            topic,
            {"client_id": "halt400-recent", "retry_backoff_ms": 1000, "max_partition_fetch_bytes": 256 * 1024},
            stale_after_s=STALE_AFTER_S,
            clock=clock,
            newest=self._most,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read, and return at once."""
        self._reader.open()
        self._task = asyncio.create_task(self._run(), name=f"halt400-recent-{self.topic}")

    async def stop(self) -> None:
        """Stop reading; what was read stays."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self._reader.close(BrokerUnavailable(f"The reader of {self.topic} was stopped."))

    @property
    def last_contact_age_s(self) -> float | None:
        """Seconds since the broker last answered; None before the first answer."""
        return self._reader.last_contact_age_s

    @property
    def age_s(self) -> float | None:
        """Age of what is kept: what is newer may be missing; None before that is known."""
        return self._reader.age_s

    @property
    def healthy(self) -> bool:
        """Whether what is kept is at most 10 s old."""
        age = self.age_s
        return self.caught_up and age is not None and age <= STALE_AFTER_S

    def newest(self, key: Callable[[T], int]) -> list[T]:
        """Return all that is kept, the greatest `key` first."""
        return sorted((value for values in self._by_partition.values() for value in values), key=key, reverse=True)

    def __len__(self) -> int:
        return sum(map(len, self._by_partition.values()))

    async def _run(self) -> None:
        quiet_task()
        backoff = Backoff(LONGEST_BACKOFF_S)
        while True:
            try:
                await self._reader.connect()
                await self._read(backoff)
            except OffsetOutOfRangeError:
                log.warning("%s was truncated or recreated: its newest records are read again.", self.topic)
                self._reader.positions.clear()
                self._by_partition.clear()
            except (KafkaError, Halt400Error, OSError, TimeoutError) as error:
                if backoff.is_news(error):
                    log.warning("Reading %s: %s Reconnecting; what was read is kept.", self.topic, error)
            except Exception:
                log.exception("Reading %s failed; reconnecting.", self.topic)
            finally:
                await self._reader.disconnect()
            await backoff.pause()

    async def _read(self, backoff: Backoff) -> None:
        reader, asked_at = self._reader, self._clock()
        ends = await reader.ends()
        while True:
            polled, was_caught_up = await reader.poll(), self.caught_up
            new = await self._keep_all(record for records in polled.values() for record in records)
            await reader.advance()
            self.skipped += reader.skip_to_newest()
            if not self.caught_up and is_reached(ends, reader.positions):
                reader.confirm(asked_at)
                self.caught_up = True
                backoff.reset()
            if new and was_caught_up and self._on_new is not None:
                self._on_new(new)
            await reader.assign_new_partitions()
            if polled and self.caught_up:
                await asyncio.sleep(PAUSE_S)

    async def _keep_all(self, records: Iterable[Any]) -> list[T]:
        """Keep what is made of each record, and return it; between some of them others have their turn."""
        new: list[T] = []
        for number, record in enumerate(records, 1):
            if (value := self._keep(record)) is not None:
                new.append(value)
            if number % MOST_AT_ONCE == 0:
                await asyncio.sleep(0)
        return new

    def _keep(self, record: Any) -> T | None:
        value = self._summarize(record)
        if value is not None:
            self._by_partition.setdefault(record.partition, deque(maxlen=self._most)).append(value)
        return value
