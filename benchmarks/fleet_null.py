"""A healthy fleet in front of the detector: 100,000 targets, their traffic after Zipf, and nothing is wrong.

Only the 400s are simulated. Of n requests of a target Binomial(n, p) are 400s at places drawn without preference, which
is Bernoulli trial by trial exactly; what lies between two 400s is one addition to the gap, in the worker as here.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.rivals import WINDOW_RULES, rule_alarms
from streams.detection.mixture import Mixture, Tiers
from streams.detection.null_ratio import FLOOR

__all__ = ["NullResult", "edge_ratio", "normal_ratios", "run_null"]

DAY_S = 86_400.0


class NullResult(NamedTuple):
    """What a day of a healthy fleet led to."""

    requests: int
    targets: int
    bad_requests: int
    pages: int
    tickets: int
    cusum_alarms: int
    rule_alarms: dict[str, int]
    highest_evidence: float


def edge_ratio(rng: np.random.Generator, targets: int) -> NDArray[np.float64]:
    """Every target exactly at p0, the worst case of the null hypothesis."""
    return np.full(targets, FLOOR)


def normal_ratios(rng: np.random.Generator, targets: int) -> NDArray[np.float64]:
    """Each target with its own normal ratio, from one 400 in 100,000 requests to one in 100, log-uniform."""
    ratios: NDArray[np.float64] = np.exp(rng.uniform(np.log(1e-5), np.log(1e-2), targets))
    return ratios


def _traffic(rng: np.random.Generator, requests: int, targets: int) -> NDArray[np.int64]:
    weights = 1.0 / np.arange(1, targets + 1)
    return rng.multinomial(requests, weights / weights.sum())


def _positions(
    rng: np.random.Generator, counts: NDArray[np.int64], ratios: NDArray[np.float64]
) -> Iterator[NDArray[np.int64]]:
    bad = rng.binomial(counts, ratios)
    for count, n in zip(bad, counts, strict=True):
        places = np.unique(rng.integers(0, n, count)) if count else np.empty(0, np.int64)
        while places.size < count:
            places = np.unique(np.concatenate((places, rng.integers(0, n, count - places.size))))
        yield places


def run_null(
    ratios_of: Callable[[np.random.Generator, int], NDArray[np.float64]],
    *,
    requests: int,
    targets: int,
    seed: int,
    known_p0: float | None,
) -> NullResult:
    """One day of `requests` null requests through the detector that the worker uses, and through the rivals' rules.

    Parameters
    ----------
    known_p0
        Given: p0 is this from the beginning. None: every target begins without history and learns.
    """
    rng = np.random.default_rng(seed)
    counts = _traffic(rng, requests, targets)
    ratios = ratios_of(rng, targets)
    tiers = Tiers()
    cusum_up, cusum_down, cusum_threshold = np.log(0.01 / FLOOR), np.log((1 - 0.01) / (1 - FLOOR)), 19.22
    pages = tickets = cusum_alarms = bad_requests = 0
    highest = 0.0
    rules = dict.fromkeys(WINDOW_RULES, 0)
    for places, count in zip(_positions(rng, counts, ratios), counts, strict=True):
        if not places.size:
            continue
        bad_requests += places.size
        mixture = Mixture(known_p0)
        previous, total = -1, 0.0
        for place in places.tolist():
            gap = place - previous - 1
            previous = place
            mixture.gap += gap
            evidence = mixture.bad_request(learn=known_p0 is None)
            highest = max(highest, evidence)
            if evidence >= tiers.ticket:
                tickets += 1
                pages += evidence >= tiers.page
                mixture.restart()
            total = max(total + gap * cusum_down, 0.0) + cusum_up
            if total >= cusum_threshold:
                cusum_alarms += 1
                total = 0.0
        for name, rule in WINDOW_RULES.items():
            rules[name] += rule_alarms(rule, places, count / DAY_S)
    return NullResult(requests, targets, bad_requests, int(pages), tickets, cusum_alarms, rules, highest)
