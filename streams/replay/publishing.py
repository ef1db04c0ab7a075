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

__all__ = ["Published", "publish_replay"]

_BATCH = 256
_BATCHES_AHEAD = 8
_LAST_WAIT_S = 10.0

Item = ResponseEvent | Unread


@dataclass(frozen=True, slots=True)
class Published:
    """How a replay ended: events that every in-sync replica has, and those that were given up at an interruption."""

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
) -> Published:
    """Publish every event of the recordings, one file after another; closes each when it is done.

    Parameters
    ----------
    recordings
        The open files, opened one by one where this is a generator.
    read
        Yields a recording's items; runs in a thread of its own, so that a slow file or pipe holds up nothing.
    on_item
        Called with each item as it was recorded, before it is published. What it raises ends the replay.
    speed, keep_times
        See `Timeline`.

    Returns
    -------
    Published
        With `interrupted` where the task was cancelled, as Ctrl-C does; what had been read is still published then, for
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
                # Of a pipe nobody knows when the next line comes: what is there goes out at once.
                async with aclosing(_read_ahead(read(recording), _BATCH if recording.is_file else 1)) as batches:
                    async for batch in batches:
                        for item in batch:
                            on_item(recording, item)
                            if not isinstance(item, Unread):
                                await _publish(publisher, recording, timeline, item, on_item)
        await publisher.flush()
    except asyncio.CancelledError:
        interrupted = True
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
    finally:
        await publisher.close(_LAST_WAIT_S)
    stats = publisher.stats
    return Published(
        acknowledged=stats.acknowledged,
        given_up=stats.dropped + stats.dropped_bad_requests + stats.rejected,
        interrupted=interrupted,
        elapsed_s=time.monotonic() - started_s,
    )


async def _publish(
    publisher: Publisher,
    recording: Recording,
    timeline: Timeline,
    recorded: ResponseEvent,
    on_item: Callable[[Recording, Item], None],
) -> None:
    event, due_ms = timeline.place(recorded, _now_ms())
    if (wait_ms := due_ms - _now_ms()) > 0:
        await asyncio.sleep(wait_ms / 1000)
    try:
        await publisher.put(event)
    except PublishError as error:
        on_item(recording, Unread(recording.path, f"event {recorded.id}", error.message))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _read_ahead(items: Iterator[Item], size: int) -> AsyncGenerator[list[Item], None]:
    """Iterate in a daemon thread: a read that never returns, as of a terminal, does not keep the process alive."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[list[Item] | BaseException] = asyncio.Queue()
    room, stopped = threading.Semaphore(_BATCHES_AHEAD), threading.Event()

    def hand_over(batch: list[Item] | BaseException) -> None:
        room.acquire()
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
            room.release()
            if isinstance(batch, BaseException):
                raise batch
            if not batch:
                return
            yield batch
    finally:
        stopped.set()
        room.release()
