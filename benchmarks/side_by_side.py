"""The detector and its rivals on the same streams of single requests: false alarms, and delay after a break.

One target at 10 requests a second, healthy at p0 = 1e-4. Before each break it has been healthy for an hour.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals import RIVALS, WINDOW_RULES, drift_detector, first_alarm_of_rule, rule_alarms
from streams.detection.mixture import Mixture, Tiers
from streams.detection.null_ratio import FLOOR

__all__ = ["rival_delay", "rival_false_alarms"]

RATE_PER_S: Final = 10.0
HEALTHY: Final = 36_000
MOST_AFTER: Final = 200_000
"""Requests after a break within which an alarm must come to count."""
PAGE_CUSUM: Final = 19.22
"""The threshold at which the CUSUM for 0.01 has the page tier's mean run, see `benchmarks.optimum`."""


class _Bernoulli:
    """The CUSUM for p0 against 0.01."""

    def __init__(self) -> None:
        self.total = 0.0
        self.up, self.down = float(np.log(0.01 / FLOOR)), float(np.log((1 - 0.01) / (1 - FLOOR)))

    def add(self, bad: bool) -> bool:
        self.total = max(self.total, 0.0) + (self.up if bad else self.down)
        return self.total >= PAGE_CUSUM


class _Halt400:
    """The worker's detector, with the history of a target in service."""

    def __init__(self) -> None:
        self.mixture, self.page = Mixture(), Tiers().page
        self.mixture.gap = 10 * HEALTHY

    def add(self, bad: bool) -> bool:
        if bad:
            return self.mixture.bad_request() >= self.page
        self.mixture.gap += 1
        return False


class _Drift:
    """One of river's detectors, told 1.0 for a 400."""

    def __init__(self, name: str) -> None:
        self.detector = drift_detector(name)

    def add(self, bad: bool) -> bool:
        self.detector.update(1.0 if bad else 0.0)
        return bool(self.detector.drift_detected)


def _online(name: str) -> _Halt400 | _Bernoulli | _Drift:
    if name in RIVALS:
        return _Drift(name)
    return _Bernoulli() if name == "CUSUM for 0.01" else _Halt400()


def _stream(rng: np.random.Generator, p: float, requests: int) -> NDArray[np.bool_]:
    return rng.random(requests) < p


def rival_false_alarms(name: str, requests: int, seed: int) -> tuple[int, int]:
    """False alarms in so many null requests; after each the procedure starts anew."""
    stream = _stream(np.random.default_rng(seed), FLOOR, requests)
    if name in WINDOW_RULES:
        return rule_alarms(WINDOW_RULES[name], np.flatnonzero(stream).astype(np.int64), RATE_PER_S), requests
    alarms, procedure = 0, _online(name)
    for bad in stream.tolist():
        if procedure.add(bad):
            alarms += 1
            procedure = _online(name)
    return alarms, requests


def rival_delay(name: str, p1: float, seed: int, runs: int) -> float | None:
    """Mean requests from the break to the first alarm after it; None where a run found nothing in 200,000 requests."""
    delays = []
    for run in range(runs):
        rng = np.random.default_rng((seed, run))
        healthy = _stream(rng, FLOOR, HEALTHY)
        broken = _stream(rng, p1, MOST_AFTER)
        if name in WINDOW_RULES:
            found = first_alarm_of_rule(WINDOW_RULES[name], np.concatenate((healthy, broken)), HEALTHY, RATE_PER_S)
        else:
            found = _first_alarm(name, healthy, broken)
        if found is None:
            return None
        delays.append(found)
    return float(np.mean(delays))


def _first_alarm(name: str, healthy: NDArray[np.bool_], broken: NDArray[np.bool_]) -> int | None:
    procedure = _online(name)
    for bad in healthy.tolist():
        if procedure.add(bad):
            procedure = _online(name)
    for number, bad in enumerate(broken.tolist(), start=1):
        if procedure.add(bad):
            return number
    return None
