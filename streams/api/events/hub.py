"""Collects what changes, twice a second (at once for a quarantine) makes events of it, and gives each listener its own.

An event is encoded once for all listeners. The last ones are kept, so that a client that comes back with the id of its
last event misses none (`Last-Event-ID`). An id is that of this process and a number: after a restart, or from another
process, the client is told to reload.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec
import orjson

from halt400.start_stop import StartStop
from streams.api.events.listener import Interest, Listener

__all__ = ["EventHub"]

TICK_S = 0.5
LEAST_TICK_S = 0.1
URGENT = frozenset({"quarantine"})
"""Kinds that do not wait for the next tick: someone looks at a page to see just these."""
STATUS_EVERY_S = 15.0
LISTENERS_AT_ONCE = 50
"""Then those wait for their writes, and requests have their turn."""
UNUSED_AFTER_S = 60.0
MOST_KEPT = 5_000
MOST_KEPT_BYTES = 16 << 20
MOST_OF_A_KIND = 100
"""Events of one kind in one tick; of more than that the client is told the number."""
MOST_NAMES = 200

Make = Callable[[], Any]


class _Event(NamedTuple):
    number: int
    kind: str
    targets: frozenset[str] | None
    chunk: bytes

    def is_for(self, interest: Interest) -> bool:
        wanted = not interest.kinds or self.kind in interest.kinds
        return wanted and (interest.target is None or self.targets is None or interest.target in self.targets)


class EventHub(StartStop):
    """Gives events to listeners.

    Parameters
    ----------
    status
        Returns the body of the event `status`, which every listener gets at least every 15 s.
    most_listeners
        Most listeners at once.
    clock
        Monotonic seconds.
    """

    def __init__(
        self, status: Callable[[], Any], *, most_listeners: int = 1500, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._status, self._clock, self._most_listeners = status, clock, most_listeners
        self._instance = secrets.token_hex(4)
        self._number = 0
        self._kept: deque[_Event] = deque()
        self._kept_bytes = 0
        self._pending: dict[tuple[str, str], tuple[Make, frozenset[str] | None]] = {}
        self._touched: set[str] = set()
        self._listeners: set[Listener] = set()
        self._used_at = -UNUSED_AFTER_S
        self._status_at = 0.0
        self._last_status: Any = None
        self._task: asyncio.Task[None] | None = None
        self._urgent = asyncio.Event()

    def start(self) -> None:
        """Begin to give events."""
        self._task = asyncio.create_task(self._run(), name="halt400-events")

    async def stop(self) -> None:
        """End every stream."""
        for listener in self._listeners:
            listener.close()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def is_used(self) -> bool:
        """Whether anyone listens, or did within the last minute and may come back."""
        return bool(self._listeners) or self._clock() - self._used_at < UNUSED_AFTER_S

    @property
    def is_full(self) -> bool:
        """Whether there are as many listeners as there may be."""
        return len(self._listeners) >= self._most_listeners

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def add(self, kind: str, key: str, make: Make, targets: Iterable[str] | None) -> None:
        """Say that something has changed.

        Parameters
        ----------
        key
            Of several changes of one kind and key between two ticks only the last is an event.
        make
            Makes the event's body, None for no event; called at the next tick.
        targets
            The targets that it is about; None: it is for everyone.
        """
        if self.is_used:
            self._pending.pop((kind, key), None)
            self._pending[kind, key] = make, None if targets is None else frozenset(targets)
            if kind in URGENT:
                self._urgent.set()

    def touch(self, names: Iterable[str]) -> None:
        """Say that the counts of these targets have changed."""
        if self.is_used:
            self._touched.update(names)

    def listen(self, interest: Interest, last_id: str | None) -> Listener:
        """Add a listener; it gets what it has missed since its last event, or is told to reload."""
        if not self.is_used:
            self._forget()
        self._used_at = self._clock()
        listener = Listener(interest, self._reload("Too much waited for this client."))
        missed = self._missed(last_id)
        first = f"retry: 2000\n\n{self._head('status')}".encode() + _data(self._status())
        if missed is None:
            first += self._reload("What happened since the last event is not kept by this process.")
        else:
            first += b"".join(event.chunk for event in missed if event.is_for(interest))
        listener.put(first)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.discard(listener)
        self._used_at = self._clock()

    def tick(self) -> None:
        """Make events of what has changed, and give them to the listeners."""
        for _ in self._deliveries():
            pass

    def _deliveries(self) -> Iterator[None]:
        """Do what `tick` does in steps of some listeners each."""
        if not self.is_used:
            if self._kept:
                self._forget()
            self._pending.clear()
            self._touched.clear()
            return
        events, touched = self._make_events(), self._touched
        self._touched = set()
        status = self._due_status()
        by_interest: dict[Interest, bytes] = {}
        for number, listener in enumerate(tuple(self._listeners), 1):
            interest = listener.interest
            chunk = by_interest.get(interest)
            if chunk is None:
                chunk = b"".join(event.chunk for event in events if event.is_for(interest))
                chunk += self._touched_chunk(touched, interest) + status
                by_interest[interest] = chunk
            if chunk:
                listener.put(chunk)
                if number % LISTENERS_AT_ONCE == 0:
                    yield

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LEAST_TICK_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S - LEAST_TICK_S):
                    await self._urgent.wait()
            self._urgent.clear()
            for _ in self._deliveries():
                await asyncio.sleep(0)

    def _make_events(self) -> list[_Event]:
        pending, self._pending = self._pending, {}
        events: list[_Event] = []
        counts: dict[str, int] = {}
        for (kind, _), (make, targets) in pending.items():
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= MOST_OF_A_KIND and (body := make()) is not None:
                events.append(self._event(kind, targets, body))
        for kind, count in counts.items():
            if count > MOST_OF_A_KIND:
                events.append(self._event("more", None, {"kind": kind, "count": count - MOST_OF_A_KIND}))
        for event in events:
            self._kept.append(event)
            self._kept_bytes += len(event.chunk)
        while len(self._kept) > MOST_KEPT or self._kept_bytes > MOST_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().chunk)
        return events

    def _event(self, kind: str, targets: frozenset[str] | None, body: Any) -> _Event:
        self._number += 1
        return _Event(self._number, kind, targets, f"id: {self._id()}\n{self._head(kind)}".encode() + _data(body))

    def _touched_chunk(self, touched: set[str], interest: Interest) -> bytes:
        """The event `targets`: a hint without an id, as the next one follows within a second anyway."""
        names = touched if interest.target is None else touched & {interest.target}
        if not names or (interest.kinds and "targets" not in interest.kinds):
            return b""
        listed = sorted(names) if len(names) <= MOST_NAMES else None
        return self._head("targets").encode() + _data({"targets": listed, "count": len(names)})

    def _due_status(self) -> bytes:
        body, now = self._status(), self._clock()
        changed = self._last_status is None or body["stale"] != self._last_status["stale"]
        if not changed and now - self._status_at < STATUS_EVERY_S:
            return b""
        self._status_at, self._last_status = now, body
        return self._head("status").encode() + _data(body)

    def _missed(self, last_id: str | None) -> list[_Event] | None:
        """What came after an event; None where that is not known."""
        if not last_id:
            return []
        instance, _, number = last_id.partition("-")
        if instance != self._instance or not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        last, oldest = int(number), self._kept[0].number if self._kept else self._number + 1
        if not oldest - 1 <= last <= self._number:
            return None
        return [event for event in self._kept if event.number > last]

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_bytes = 0
        self._number += 1

    def _reload(self, reason: str) -> bytes:
        return f"id: {self._id()}\n{self._head('reload')}".encode() + _data({"reason": reason})

    def _id(self) -> str:
        return f"{self._instance}-{self._number}"

    @staticmethod
    def _head(kind: str) -> str:
        return f"event: {kind}\n"


def _data(body: Any) -> bytes:
    """JSON on one line: it has no line feed, so that no text from outside can begin another event."""
    return b"data: " + orjson.dumps(msgspec.to_builtins(body)) + b"\n\n"
