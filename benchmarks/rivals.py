"""The rules that teams use instead, fed the same requests: window rules, burn rate, river's drift detectors."""

from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN, PageHinkley

__all__ = ["RIVALS", "WINDOW_RULES", "DriftDetector", "Rule", "drift_detector", "first_alarm_of_rule", "rule_alarms"]


class Rule(NamedTuple):
    """Alarms where in every window (seconds) the part of 400s is above `ratio` and `least` requests were seen."""

    windows_s: tuple[float, ...]
    ratio: float
    least: int


WINDOW_RULES = {
    "fixed 1% in 60 s, 20 requests": Rule((60.0,), 0.01, 20),
    # Google's SRE workbook, chapter 5: a 99.9% objective, 14.4 times its budget over 1 h and over 5 min.
    "burn rate 14.4x, 99.9%": Rule((3600.0, 300.0), 14.4 * 0.001, 1),
}
RIVALS = ("river ADWIN", "river PageHinkley")


def rule_alarms(rule: Rule, positions: NDArray[np.int64], rate_per_s: float) -> int:
    """How many alarms the rule gives on one target: one at a 400, after a quiet time of its shortest window.

    A ratio of 400s can only rise at a 400, so only those are looked at. Requests arrive evenly, which favours the
    rule: real traffic comes in bursts.

    Parameters
    ----------
    positions
        Which requests of the target were 400s, counted from 0, ascending.
    """
    firing = np.ones(positions.size, dtype=bool)
    ranks = np.arange(positions.size)
    for window_s in rule.windows_s:
        width = max(1, int(window_s * rate_per_s))
        seen = np.minimum(positions + 1, width)
        bad = ranks - np.searchsorted(positions, positions - width, "right") + 1
        firing &= (seen >= rule.least) & (bad > rule.ratio * seen)
    alarms = positions[firing]
    if not alarms.size:
        return 0
    quiet = max(1, int(min(rule.windows_s) * rate_per_s))
    return int(1 + (np.diff(alarms) > quiet).sum())


def first_alarm_of_rule(rule: Rule, bad: NDArray[np.bool_], change: int, rate_per_s: float) -> int | None:
    """Requests from the change until the rule fires; None where it does not."""
    total = np.concatenate(([0], np.cumsum(bad)))
    at = np.arange(change + 1, bad.size + 1)
    firing = np.ones(at.size, dtype=bool)
    for window_s in rule.windows_s:
        width = max(1, int(window_s * rate_per_s))
        start = np.maximum(at - width, 0)
        seen = at - start
        firing &= (seen >= rule.least) & (total[at] - total[start] > rule.ratio * seen)
    hits = np.flatnonzero(firing)
    return int(hits[0]) + 1 if hits.size else None


class DriftDetector(Protocol):
    """What river's detectors have in common."""

    drift_detected: bool

    def update(self, x: float) -> object:
        """Take in the next value."""
        ...


def drift_detector(name: str) -> DriftDetector:
    """One of river's detectors with its defaults; PageHinkley for rises only."""
    kinds: dict[str, Any] = {"river ADWIN": ADWIN, "river PageHinkley": partial(PageHinkley, mode="up")}
    detector: DriftDetector = kinds[name]()
    return detector
