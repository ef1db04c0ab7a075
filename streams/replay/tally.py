"""Counts of what a replay has read."""

from collections import Counter

from halt400.exchanges import Unread
from halt400.records import ResponseEvent

__all__ = ["Tally"]


class Tally:
    """Counts over every file of one replay.

    Attributes
    ----------
    events
        Events read.
    unread
        Lines and entries that cannot be read.
    harmless
        Lines and entries that are well-formed and have no response.
    untimed
        Events for which their file has no time.
    named_by_file
        Events whose target is their file's name, because the log has no host.
    statuses, targets
        Events by status and by target.
    first_ms, last_ms
        Earliest and latest recorded time, milliseconds since the epoch; None before the first event.
    """

    def __init__(self) -> None:
        self.events = self.unread = self.harmless = self.untimed = self.named_by_file = 0
        self.statuses: Counter[int] = Counter()
        self.targets: Counter[str] = Counter()
        self.first_ms: int | None = None
        self.last_ms: int | None = None

    def add(self, item: ResponseEvent | Unread) -> None:
        """Count one item of a recording."""
        if isinstance(item, Unread):
            if item.harmless:
                self.harmless += 1
            else:
                self.unread += 1
            return
        self.events += 1
        self.statuses[item.response.status] += 1
        self.targets[item.target] += 1
        self.first_ms = item.time if self.first_ms is None else min(self.first_ms, item.time)
        self.last_ms = item.time if self.last_ms is None else max(self.last_ms, item.time)

    @property
    def bad_requests(self) -> int:
        """Number of 400s."""
        return self.statuses[400]
