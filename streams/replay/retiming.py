"""Move recorded events to the present, at the speed asked for. Pure: the clock's reading comes in as a value."""

import msgspec

from halt400.records import ResponseEvent
from streams.replay.events import shortened

__all__ = ["Timeline"]


class Timeline:
    """Where the events of one file lie in time when they are replayed.

    Parameters
    ----------
    replay_ms
        When the replay as a whole began, milliseconds since the epoch. It is part of the id of every shifted event:
        what is replayed to the present a second time happens a second time.
    speed
        Distances between events are divided by it; None is as fast as it goes, which leaves no distances.
    keep
        Leave times and ids as they were recorded; `speed` then only says when they are published.
    """

    def __init__(self, replay_ms: int, speed: float | None = None, keep: bool = False) -> None:
        self._replay_ms, self._speed, self._keep = replay_ms, speed, keep
        self._recorded_start_ms: int | None = None
        self._start_ms = 0

    def place(self, event: ResponseEvent, now_ms: int) -> tuple[ResponseEvent, int]:
        """Return the event as it is to be published, and when: milliseconds since the epoch, in the past for "at once".

        The first event of the file is due when it is placed, and the others follow at their distances.
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
