"""The metrics of single targets: of those with the latest 400s, since all of a large fleet would be too many."""

import asyncio
from collections.abc import Iterable
from heapq import nlargest

from streams import metrics
from streams.processing.target import TrackedTarget

__all__ = ["TargetMetrics"]

AT_ONCE = 20
"""Targets between two pauses, in which the event loop does its other work: a target's counts are sums of its row."""


class TargetMetrics:
    """Keeps the series of the targets with the latest 400s, and removes those of the others.

    Parameters
    ----------
    most
        How many targets have series.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._shown: dict[str, tuple[int, int]] = {}

    async def update(self, targets: Iterable[TrackedTarget], now_ms: int) -> None:
        """Set the series from these targets, all that the process has in memory."""
        failing = (target for target in targets if target.row.bad_request_seen)
        chosen = nlargest(self._most, failing, key=lambda target: target.row.bad_request_seen)
        for name in self._shown.keys() - {target.name for target in chosen}:
            del self._shown[name]
            for family in (metrics.TARGET_RESPONSES, metrics.TARGET_BAD_REQUESTS, metrics.TARGET_QUARANTINES):
                family.remove(name)
        for number, target in enumerate(chosen, start=1):
            self._set(target, now_ms)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)

    def _set(self, target: TrackedTarget, now_ms: int) -> None:
        name, totals = target.name, target.row.totals()
        # Late ones are among the responses, and in no class.
        counts = totals["responses"], totals["400"] + target.row.late_bad_requests
        shown = self._shown.get(name, (0, 0))
        # A row that a worker took over may include less than the one that this process had of it before.
        metrics.TARGET_RESPONSES.labels(name).inc(max(0, counts[0] - shown[0]))
        metrics.TARGET_BAD_REQUESTS.labels(name).inc(max(0, counts[1] - shown[1]))
        self._shown[name] = max(counts[0], shown[0]), max(counts[1], shown[1])
        halted = sum(quarantine.is_halted(now_ms) for quarantine in target.state.scopes.values())
        metrics.TARGET_QUARANTINES.labels(name).set(halted)
