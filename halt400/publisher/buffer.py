"""The publisher's bounded buffer: when it is full it drops the least important events first."""

from collections import deque
from collections.abc import Iterable
from threading import Lock

__all__ = ["Buffer", "BufferedEvent"]


class BufferedEvent:
    """One encoded event; `value` is ``None`` once it has been dropped."""

    __slots__ = ("is_bad_request", "key", "sequence", "size_bytes", "value")

    def __init__(self, sequence: int, key: bytes, value: bytes, *, is_bad_request: bool) -> None:
        self.sequence = sequence
        self.key = key
        self.value: bytes | None = value
        self.size_bytes = len(key) + len(value)
        self.is_bad_request = is_bad_request


class Buffer:
    """Events in the order of arrival, at most `limit_bytes` of them; safe from several threads.

    When there is no room the oldest events that are no 400 are dropped first; a 400 only if nothing else is left.

    Attributes
    ----------
    dropped
        Dropped events that were no 400s.
    dropped_bad_requests
        Dropped 400s.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.dropped = 0
        self.dropped_bad_requests = 0
        self._entries: deque[BufferedEvent] = deque()
        self._others: deque[BufferedEvent] = deque()
        self._count = 0
        self._size_bytes = 0
        self._last_sequence = 0
        self._lock = Lock()

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Bytes in the buffer."""
        return self._size_bytes

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last event; the first is 1."""
        return self._last_sequence

    @property
    def first_sequence(self) -> int | None:
        """Sequence number of the oldest event in the buffer."""
        with self._lock:
            self._skip_dropped()
            return self._entries[0].sequence if self._entries else None

    def has_room_for(self, size_bytes: int) -> bool:
        """Whether an event of this size fits without dropping any."""
        return self._size_bytes + size_bytes <= self.limit_bytes

    def put(self, key: bytes, value: bytes, *, is_bad_request: bool) -> None:
        """Add one event, and drop others to make room, or the event itself."""
        with self._lock:
            self._last_sequence += 1
            entry = BufferedEvent(self._last_sequence, key, value, is_bad_request=is_bad_request)
            self._entries.append(entry)
            if not is_bad_request:
                self._others.append(entry)
            self._count += 1
            self._size_bytes += entry.size_bytes
            if self._size_bytes > self.limit_bytes:
                self._shrink()

    def take(self, most: int) -> list[BufferedEvent]:
        """Remove and return the oldest events, at most so many."""
        taken: list[BufferedEvent] = []
        with self._lock:
            while self._entries and len(taken) < most:
                entry = self._entries.popleft()
                if entry.value is None:
                    continue
                if not entry.is_bad_request:
                    self._others.popleft()
                self._size_bytes -= entry.size_bytes
                taken.append(entry)
            self._count -= len(taken)
        return taken

    def put_back(self, entries: Iterable[BufferedEvent]) -> None:
        """Return events that were taken, in any order; they are the oldest again."""
        with self._lock:
            for entry in sorted(entries, key=lambda taken: taken.sequence, reverse=True):
                self._entries.appendleft(entry)
                if not entry.is_bad_request:
                    self._others.appendleft(entry)
                self._count += 1
                self._size_bytes += entry.size_bytes
            self._shrink()

    def drop_all(self) -> int:
        """Drop everything, and return how many events that were."""
        with self._lock:
            dropped = self._count
            while self._count:
                self._drop_one()
            return dropped

    def _shrink(self) -> None:
        while self._size_bytes > self.limit_bytes:
            self._drop_one()

    def _drop_one(self) -> None:
        if self._others:
            entry = self._others.popleft()
            self.dropped += 1
        else:
            self._skip_dropped()
            entry = self._entries.popleft()
            self.dropped_bad_requests += 1
        entry.value = None
        self._count -= 1
        self._size_bytes -= entry.size_bytes

    def _skip_dropped(self) -> None:
        while self._entries and self._entries[0].value is None:
            self._entries.popleft()
