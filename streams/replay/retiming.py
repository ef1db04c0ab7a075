"""Move recorded events to the present, at a given speed. Pure: the time now is a value."""

import msgspec

from halt400.exchanges.names import shortened
from halt400.records import ResponseEvent

__all__ = ["Timeline"]


class Timeline:
    """The times of one file's events when they are replayed.

    Parameters
    ----------
    replay_ms
        When the whole replay began, milliseconds since the epoch. It is part of the id of every shifted event, so that
        a second replay is no duplicate of the first.
    speed
        Distances between events are divided by it; None is as fast as possible, without distances.
    keep
        Leave times and ids as they were recorded; `speed` then only says when they are published.
    """

    def __init__(self, replay_ms: int, speed: float | None = None, keep: bool = False) -> None:
        self._replay_ms, self._speed, self._keep = replay_ms, speed, keep
        self._recorded_start_ms: int | None = None
        self._start_ms = 0

    def place(self, event: ResponseEvent, now_ms: int) -> tuple[ResponseEvent, int]:
        """Return the event to publish, and when: milliseconds since the epoch, at once if that is past.

        The first event of the file is due at `now_ms`, the others at their distances from it.
        """
        if self._recorded_start_ms is None:
            self._recorded_start_ms, self._start_ms = event.time, now_ms
        if self._speed is None:
            due_ms = now_ms
        else:
            due_ms = self._start_ms + int((event.time - self._recorded_start_ms) / self._speed)
        if self._keep:
            return event, due_ms
        moved = msgspec.structs.replace(event, id=shortened(f"{event.id}~{self._replay_ms:x}"), time=max(due_ms, 0))
        return moved, due_ms
