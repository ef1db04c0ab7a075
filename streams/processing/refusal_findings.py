"""Findings about refused records: one per topic, code and day, so that people are told of what is not counted."""

import time
from collections.abc import Callable

from streams.detection import Finding
from streams.processing.decoding import Refusal
from streams.quarantine.ids import finding_id

__all__ = ["RefusalFindings"]

DAY_MS = 86_400_000


class RefusalFindings:
    """Finds the first refused record of a topic and code on each day.

    Every worker makes the same finding on the same day, with one id, so that people are told once.

    Parameters
    ----------
    clock
        Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._days: dict[tuple[str, str], int] = {}

    def find(self, topic: str, partition: int, refusal: Refusal) -> Finding | None:
        """The finding of a refused record, None where there was one of its topic and code today."""
        now_ms = int(self._clock() * 1000)
        kind, day = (topic, refusal.code), now_ms // DAY_MS
        if self._days.get(kind) == day:
            return None
        self._days[kind] = day
        return Finding(
            finding_id=finding_id("refused_records", f"{topic}/{refusal.code}", str(day)),
            kind="refused_records",
            severity="ticket",
            at_ms=now_ms,
            value=refusal.code,
            summary=f"Records on {topic} are refused ({refusal.code}): they are not counted and halt nothing. One of "
            f"them, partition {partition}, offset {refusal.record.offset}: {refusal.message}.",
        )
