"""Publish recordings through Kafka: every event awaited, none dropped."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice

from halt400.errors import PublishError
from halt400.exchanges import Unread
from halt400.publisher import Publisher
from halt400.records import ResponseEvent
from streams.replay.reading import Recording
from streams.replay.retiming import Timeline
from streams.settings import KafkaSettings
from streams.topics import check_topics

__all__ = ["PublishSummary", "publish_replay"]

_BATCH = 256
_BATCHES_AHEAD = 8
_LAST_WAIT_S = 10.0

Item = ResponseEvent | Unread


@dataclass(frozen=True, slots=True)
class PublishSummary:
    """How publishing ended: events that every in-sync replica has, and those that were dropped at an interruption."""

    acknowledged: int
    given_up: int
    interrupted: bool
    elapsed_s: float


async def publish_replay(
    kafka: KafkaSettings,
    recordings: Iterable[Recording],
    read: Callable[[Recording], Iterator[Item]],
    on_item: Callable[[Recording, Item], None],
    speed: float | None = None,
    keep_times: bool = False,
) -> PublishSummary:
    """Publish every event of the recordings, one file after another; each is closed at its end.

    Parameters
    ----------
    recordings
        The open files, opened one by one where this is a generator.
    read
        Yields a recording's items; runs in a thread of its own, so that a slow file or pipe blocks nothing.
    on_item
        Called with each item as it was recorded, before it is published. What it raises ends the replay.
    speed, keep_times
        See `Timeline`.

    Returns
    -------
    PublishSummary
        With `interrupted` where the task was cancelled, as Ctrl-C does; what was read by then is still published, for
        at most ten seconds.

    Raises
    ------
    BrokerUnavailable, TopicMismatch
        Nothing was published.
    """
    await check_topics(kafka)
    started_s, interrupted = time.monotonic(), False
    publisher = Publisher(kafka.connection, sampler=None)
    publisher.start()
    try:
        replay_ms = _now_ms()
        for recording in recordings:
            with recording:
                timeline = Timeline(replay_ms, speed, keep_times)
                await _publish_recording(publisher, recording, read(recording), timeline, on_item)
        await publisher.flush()
    except asyncio.CancelledError:
        interrupted = True
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    finally:
        await publisher.close(_LAST_WAIT_S)
    stats = publisher.stats
    return PublishSummary(
        acknowledged=stats.acknowledged,
        given_up=stats.dropped + stats.dropped_bad_requests + stats.rejected,
        interrupted=interrupted,
        elapsed_s=time.monotonic() - started_s,
    )


async def _publish_recording(
    publisher: Publisher,
    recording: Recording,
    items: Iterator[Item],
    timeline: Timeline,
    on_item: Callable[[Recording, Item], None],
) -> None:
    # The next line of a pipe may come late, so that each is published as it comes.
    async with aclosing(_read_ahead(items, _BATCH if recording.is_file else 1)) as batches:
        async for batch in batches:
            for item in batch:
                on_item(recording, item)
                if isinstance(item, Unread):
                    continue
                event, due_ms = timeline.place(item, _now_ms())
                if (wait_ms := due_ms - _now_ms()) > 0:
                    await asyncio.sleep(wait_ms / 1000)
                try:
                    await publisher.put(event)
                except PublishError as error:
                    on_item(recording, Unread(recording.path, f"event {item.id}", error.message))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _read_ahead(items: Iterator[Item], size: int) -> AsyncGenerator[list[Item], None]:
    """Iterate in a daemon thread: a read that never returns, as of a terminal, does not keep the process alive."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[list[Item] | BaseException] = asyncio.Queue()
    free, stopped = threading.Semaphore(_BATCHES_AHEAD), threading.Event()

    def hand_over(batch: list[Item] | BaseException) -> None:
        free.acquire()
        if not stopped.is_set():
            loop.call_soon_threadsafe(queue.put_nowait, batch)

    def run() -> None:
        try:
            while not stopped.is_set() and (batch := list(islice(items, size))):
                hand_over(batch)
            hand_over([])
        except BaseException as error:
            hand_over(error)

    threading.Thread(target=run, name="halt400-replay-read", daemon=True).start()
    try:
        while True:
            batch = await queue.get()
            free.release()
            if isinstance(batch, BaseException):
                raise batch
            if not batch:
                return
            yield batch
    finally:
        stopped.set()
        free.release()
