"""The log lines about refused records: one per topic and code, once a minute at most, with the count."""

import logging
import time
from collections import Counter
from collections.abc import Callable

from halt400.plural import plural
from streams.processing.decoding import Refusal

__all__ = ["RefusalLog"]

INTERVAL_S = 60.0

log = logging.getLogger("halt400.worker")


class RefusalLog:
    """Counts refused records, and logs them so that a flood of them is a line a minute.

    Parameters
    ----------
    dead_letters
        Full name of the topic where the records are kept.
    clock
        Monotonic seconds.
    """

    def __init__(self, dead_letters: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._dead_letters, self._clock = dead_letters, clock
        self._counts: Counter[tuple[str, str]] = Counter()
        self._latest: dict[tuple[str, str], tuple[int, Refusal]] = {}
        self._logged_at: dict[tuple[str, str], float] = {}

    def count(self, topic: str, partition: int, refusal: Refusal) -> None:
        """Count one; nothing is logged before `report`."""
        kind = topic, refusal.code
        self._counts[kind] += 1
        self._latest[kind] = partition, refusal

    def report(self) -> None:
        """Log what was counted, of each topic and code whose last line is at least a minute old."""
        if not self._counts:
            return
        now = self._clock()
        for kind, count in list(self._counts.items()):
            if now - self._logged_at.get(kind, -INTERVAL_S) < INTERVAL_S:
                continue
            (topic, code), (partition, refusal) = kind, self._latest.pop(kind)
            self._logged_at[kind] = now
            del self._counts[kind]
            log.warning(
                "Refused and sent to %s: %s of %s (%s). The last one: partition %s, offset %s: %s",
                self._dead_letters,
                plural(count, "record"),
                topic,
                code,
                partition,
                refusal.record.offset,
                refusal.message,
            )
