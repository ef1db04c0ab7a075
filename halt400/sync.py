"""Publisher and gate for synchronous scrapers: each runs in a thread with an event loop of its own.

A child process made by a fork has its own, made anew on first use: a thread does not survive a fork. What the parent
had buffered, the parent sends.
"""

import asyncio
import atexit
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

from halt400.forks import in_child
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


_OF_PARENTS: list[_LoopThread] = []
"""Kept, for a loop that is collected closes itself, and with it what the parent process waits on."""


class _InThread(Closing, Generic[Part]):
    """Runs `Publisher` or `Gate` in a thread until it is closed, at the latest when the interpreter exits."""

    _used: ClassVar[tuple[str, ...]]
    """Methods of which the first call in a child process makes the part anew."""

    def __init__(self, name: str, make: Callable[[], Part]) -> None:
        self._name, self._make = name, make
        self._thread: _LoopThread | None = None
        self._starting = threading.Lock()
        self._begin()
        in_child(self._forked)

    def _begin(self) -> None:
        async def started() -> Part:
            return await self._made().__aenter__()

        thread = _LoopThread(self._name)
        try:
            self._part = thread.run(started())
        except BaseException:
            thread.stop()
            raise
        self._thread = thread
        atexit.register(self.close)

    def _made(self) -> Part:
        return self._make()

    def _forked(self) -> None:
        """Leave the parent's thread, loop and connections alone: they are not of this process."""
        self._starting = threading.Lock()
        thread, self._thread = self._thread, None
        if thread is not None:
            _OF_PARENTS.append(thread)
            for name in self._used:
                setattr(self, name, partial(self._first_use, name))

    def _first_use(self, name: str, *arguments: Any, **named: Any) -> Any:
        with self._starting:
            if self._thread is None and name in self.__dict__ and isinstance(self.__dict__[name], partial):
                for used in self._used:
                    self.__dict__.pop(used, None)
                self._begin()
                self._bind()
                # A child of multiprocessing ends without atexit.
                if "multiprocessing.util" in sys.modules:
                    sys.modules["multiprocessing.util"].Finalize(None, self.close, exitpriority=10)
        return getattr(self, name)(*arguments, **named)

    def _bind(self) -> None:
        """Take what is called often from the part."""

    def _end(self, stop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self._starting:
            thread, self._thread = self._thread, None
            for name in self._used:
                if isinstance(self.__dict__.get(name), partial):
                    del self.__dict__[name]
        if thread is None:
            self._bind()
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

    _used = ("publish", "publish_bare", "flush")

    def __init__(self, kafka: str | KafkaConnection, **options: Any) -> None:
        super().__init__("halt400-publisher", partial(Publisher, kafka, **options))
        self._bind()

    def _bind(self) -> None:
        self._publisher = self._part
        self._lock = threading.Lock()
        self._waking = self._urgent = False

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
        thread, publisher = self._thread, self._publisher
        urgent = False
        with self._lock:
            wakes = publisher.accept(event)
            if wakes:
                urgent = event.response.status == 400
                # One that is on its way to the loop wakes it for this event, too.
                wakes = (urgent and not self._urgent) or (publisher.is_idle and not self._waking)
                self._urgent |= urgent
                self._waking |= wakes
        if wakes:
            self._wake_from_thread(thread)

    def publish_bare(self, target: str, method: str, status: int, value: bytes) -> None:
        """See `Publisher.publish_bare`."""
        thread, publisher = self._thread, self._publisher
        with self._lock:
            wakes = publisher.accept_bare(target, method, status, value) and publisher.is_idle and not self._waking
            self._waking |= wakes
        if wakes:
            self._wake_from_thread(thread)

    def _wake_from_thread(self, thread: _LoopThread | None) -> None:
        if thread is not None:
            # The loop is closed if another thread closes the publisher meanwhile; the event is counted then.
            with suppress(RuntimeError):
                thread.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        with self._lock:
            urgent, self._urgent, self._waking = self._urgent, False, False
        self._publisher.wake(send_now=urgent)

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

    _used = (
        "check",
        "is_open",
        "may_refuse",
        "raise_if_halted",
        "report",
        "count_not_sent",
        "wait_caught_up",
        "on_change",
    )

    def __init__(self, kafka: str | KafkaConnection, **options: Any) -> None:
        super().__init__("halt400-gate", partial(Gate, kafka, **options))
        self._bind()

    def _made(self) -> Gate:
        gate, parents = self._make(), getattr(self, "gate", None)
        if parents is not None:
            gate.inherit(parents)
        return gate

    def _bind(self) -> None:
        self.gate = self._part
        self.check = self.gate.check
        self.is_open = self.gate.is_open
        self.may_refuse = self.gate.may_refuse
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
