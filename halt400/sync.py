"""Publisher and gate for synchronous scrapers: each runs in a thread with an event loop of its own.

Create them after a fork: a thread does not survive it.
"""

import asyncio
import atexit
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, Generic, TypeVar

from halt400.gate import Gate
from halt400.kafka.connection import KafkaConnection
from halt400.publisher import Publisher, PublisherStats
from halt400.records import Command, ResponseEvent
from halt400.start_stop import Closing, StartStop

__all__ = ["SyncGate", "SyncPublisher"]

T = TypeVar("T")
Part = TypeVar("Part", bound=StartStop)


class _LoopThread:
    """A daemon thread that runs an event loop."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run `work` in the loop and return its result; TimeoutError after `timeout_s` seconds."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result(timeout_s)
        except FutureTimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class _InThread(Closing, Generic[Part]):
    """Runs `Publisher` or `Gate` in a thread until it is closed, at the latest when the interpreter exits."""

    def __init__(self, name: str, make: Callable[[], Part]) -> None:
        async def started() -> Part:
            return await make().__aenter__()

        self._thread: _LoopThread | None = _LoopThread(name)
        try:
            self._part = self._thread.run(started())
        except BaseException:
            self._thread.stop()
            raise
        atexit.register(self.close)

    def _end(self, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        atexit.unregister(self.close)
        thread.run(stop())
        thread.stop()


class SyncPublisher(_InThread[Publisher]):
    """Publishes response events from synchronous code, from any number of threads.

    Parameters as for `Publisher`. It closes itself when the interpreter exits.

    Examples
    --------
    >>> def scrape(kafka: str) -> None:
    ...     with SyncPublisher(kafka) as publisher:
    ...         publisher.publish(response_event(method="GET", url=url, status=200, job_id="extract-099"))
    """

    def __init__(self, kafka: str | KafkaConnection, **options: Any) -> None:
        super().__init__("halt400-publisher", partial(Publisher, kafka, **options))
        self._publisher = self._part
        self._lock = threading.Lock()

    @property
    def connected(self) -> bool:
        """Whether there is a connection, with no error so far."""
        return self._publisher.connected

    @property
    def stats(self) -> PublisherStats:
        """Counts of the events so far."""
        return self._publisher.stats

    def publish(self, event: ResponseEvent) -> None:
        """Publish one event. Returns at once and never raises; what cannot be published is counted in `stats`."""
        thread = self._thread
        with self._lock:
            accepted = self._publisher.accept(event)
        send_now = accepted and event.response.status == 400
        if accepted and thread is not None and (send_now or self._publisher.is_idle):
            # The loop is closed if another thread closes the publisher meanwhile; the event is counted then.
            with suppress(RuntimeError):
                thread.loop.call_soon_threadsafe(partial(self._publisher.wake, send_now=send_now))

    def wants_headers(self, target: str, method: str, status: int) -> bool:
        """See `Publisher.wants_headers`."""
        return self._publisher.wants_headers(target, method, status)

    def publish_soon(self, event: ResponseEvent) -> None:
        """Publish one event from a finalizer, which may run in any thread, also in the midst of `publish`."""
        thread = self._thread
        if thread is not None:
            with suppress(RuntimeError):
                thread.loop.call_soon_threadsafe(self.publish, event)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until every event so far is acknowledged, rejected or dropped; return whether that happened in time."""
        thread = self._thread
        return thread is not None and thread.run(self._publisher.flush(timeout_s))

    def close(self, timeout_s: float = 5.0) -> None:
        """Flush for at most `timeout_s` seconds, then stop."""
        self._end(partial(self._publisher.close, timeout_s))


class SyncGate(_InThread[Gate]):
    """Refuses requests from synchronous code, from any number of threads.

    Parameters as for `Gate`. It answers from memory, in the calling thread.
    """

    def __init__(self, kafka: str | KafkaConnection, **options: Any) -> None:
        super().__init__("halt400-gate", partial(Gate, kafka, **options))
        self.gate = self._part
        self.check = self.gate.check
        self.is_open = self.gate.is_open
        self.raise_if_halted = self.gate.raise_if_halted
        self.report = self.gate.report
        self.count_not_sent = self.gate.count_not_sent

    def wait_caught_up(self, timeout_s: float | None = None) -> bool:
        """Wait until every command issued before this call is known; see `Gate.wait_caught_up`."""
        return self._thread is not None and self._thread.run(self.gate.wait_caught_up(timeout_s))

    def on_change(self, callback: Callable[[Command], None]) -> None:
        """Call `callback` with each command that changes a scope, in the gate's thread."""
        self.gate.on_change(callback)

    def close(self) -> None:
        """Stop following; known commands stay in force until they expire."""
        self._end(self.gate.stop)
