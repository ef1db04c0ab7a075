"""The optimum to compare with: a Bernoulli CUSUM that knows p1 (Moustakides, Ann. Statist. 14, 1986); and the mixture
in vectors. Both are simulated at their 400s only: the gap between two is geometric, the same as trial by trial.
"""

import numpy as np
from numpy.typing import NDArray

from streams.detection.mixture import COMPONENTS

__all__ = ["Cusum", "VectorMixture", "calibrate", "calibrate_cusum", "mean_delay"]

Floats = NDArray[np.float64]
WARM_UP = 8
"""400s of the null before the change: after them every statistic is stationary."""


def _gaps(rng: np.random.Generator, p: float, runs: int) -> Floats:
    """Good requests before the next 400, one number per run."""
    return rng.geometric(p, runs).astype(np.float64) - 1 if p < 1 else np.zeros(runs)


class VectorMixture:
    """The detector of `streams.detection.mixture` at a fixed p0, many runs at once; checked against it."""

    def __init__(self, p0: float, threshold: float) -> None:
        self.p0, self.threshold = p0, threshold
        self.p = np.geomspace(3 * p0, 0.9, COMPONENTS)
        self.q = (1 - self.p) / (1 - p0)
        self.phi = self.q / (1 - self.q)

    def start(self, runs: int) -> Floats:
        """The initial statistic of `runs` runs."""
        return np.tile(self.phi, (runs, 1))

    def good(self, state: Floats, gaps: Floats) -> Floats:
        """The statistic after so many good requests, one number per run."""
        caught_up: Floats = self.phi + (state - self.phi) * np.exp(np.outer(gaps, np.log(self.q)))
        return caught_up

    def bad(self, state: Floats) -> Floats:
        """The statistic after a 400."""
        hit: Floats = (state + 1) * (self.p / self.p0)
        return hit

    def value(self, state: Floats) -> Floats:
        """What is compared with the threshold."""
        mean: Floats = state.mean(axis=1)
        return mean


class Cusum:
    """A CUSUM for p0 against p1; alarms when the sum of log-likelihood ratios reaches `threshold`."""

    def __init__(self, p0: float, p1: float, threshold: float) -> None:
        self.p0, self.p1, self.threshold = p0, p1, threshold - 1e-9
        self.up = float(np.log(p1 / p0))
        self.down = float(np.log((1 - p1) / (1 - p0))) if p1 < 1 else -np.inf

    def start(self, runs: int) -> Floats:
        """The initial statistic of `runs` runs."""
        return np.zeros((runs, 1))

    def good(self, state: Floats, gaps: Floats) -> Floats:
        """The statistic after so many good requests, one number per run."""
        with np.errstate(invalid="ignore"):
            falls = np.where(gaps > 0, gaps * self.down, 0.0)
        lower: Floats = np.maximum(state + falls[:, None], 0)
        return lower

    def bad(self, state: Floats) -> Floats:
        """The statistic after a 400."""
        return state + self.up

    def value(self, state: Floats) -> Floats:
        """What is compared with the threshold."""
        column: Floats = state[:, 0]
        return column

    def mean_run(self, rng: np.random.Generator, runs: int) -> float:
        """Mean number of null requests to a false alarm: by cycles, the chance of a cycle to alarm by a change of
        measure (Siegmund, "Sequential Analysis", 1985), so that 10^11 takes no longer than 10^4.
        """
        if self.up >= self.threshold:
            return 1 / self.p0
        hits = self._excursions(rng, runs, self.p1, weigh=True)
        lengths = self._excursions(rng, runs, self.p0, weigh=False)
        return float((1 / self.p0 + lengths.mean()) / hits.mean())

    def _excursions(self, rng: np.random.Generator, runs: int, p: float, *, weigh: bool) -> Floats:
        """From the first 400 until the sum is back at 0 or alarms: the alarm's weight, or the length."""
        total, result = np.full(runs, self.up), np.zeros(runs)
        ratio, going = np.full(runs, 0.0), np.arange(runs)
        while going.size:
            gaps = _gaps(rng, p, going.size)
            fall = np.where(gaps > 0, gaps * self.down, 0.0) if self.p1 < 1 else np.where(gaps > 0, -np.inf, 0.0)
            dead = total[going] + fall <= 0
            # The sum touches 0 within the gap: only that part of it belongs to the excursion.
            steps = np.floor(total[going] / -self.down) + 1 if self.p1 < 1 else np.ones(going.size)
            total[going] += fall + self.up
            alarmed = ~dead & (total[going] >= self.threshold)
            if weigh:
                ratio[going] += np.where(dead, 0.0, fall + self.up)
                result[going[alarmed]] = np.exp(-ratio[going[alarmed]])
            else:
                result[going] += np.where(dead, np.minimum(steps, gaps), gaps + 1)
            going = going[~(dead | alarmed)]
        return result


def mean_delay(
    procedure: VectorMixture | Cusum, p1: float, rng: np.random.Generator, runs: int, *, warm: bool = True
) -> float:
    """Mean number of requests from the change to the alarm.

    Parameters
    ----------
    warm
        Whether null requests came before, enough for the statistic to be stationary; else it has just started.
    """
    state = procedure.start(runs)
    if warm:
        for _ in range(WARM_UP):
            state = procedure.bad(procedure.good(state, _gaps(rng, procedure.p0, runs)))
            alarmed = procedure.value(state) >= procedure.threshold
            state[alarmed] = procedure.start(int(alarmed.sum()))
        state = procedure.good(state, _gaps(rng, procedure.p0, runs))
    delays, going = np.zeros(runs), np.arange(runs)
    while going.size:
        gaps = _gaps(rng, p1, going.size)
        state[going] = procedure.bad(procedure.good(state[going], gaps))
        delays[going] += gaps + 1
        going = going[procedure.value(state[going]) < procedure.threshold]
    return float(delays.mean())


def calibrate(p0: float, mean_run: float, rng: np.random.Generator, runs: int) -> tuple[float, float]:
    """The mixture's threshold whose mean run is `mean_run`, and the mean run at the threshold `mean_run`."""
    levels = np.geomspace(mean_run / 100, mean_run, 200)
    mixture = VectorMixture(p0, mean_run)
    state, clock = mixture.start(runs), np.zeros(runs)
    highest, passed = np.zeros(runs), np.zeros(levels.size)
    going = np.arange(runs)
    while going.size:
        gaps = _gaps(rng, p0, going.size)
        state[going] = mixture.bad(mixture.good(state[going], gaps))
        clock[going] += gaps + 1
        now = mixture.value(state[going])
        first, last = np.searchsorted(levels, highest[going], "right"), np.searchsorted(levels, now, "right")
        for run, low, high in zip(going, first, last, strict=True):
            if high > low:
                passed[low:high] += clock[run]
        highest[going] = np.maximum(highest[going], now)
        going = going[highest[going] < levels[-1]]
    means = passed / runs
    return float(levels[np.searchsorted(means, mean_run)]), float(means[-1])


def calibrate_cusum(p0: float, p1: float, mean_run: float, seed: int, runs: int) -> tuple[Cusum, float]:
    """The CUSUM with the least threshold whose mean run is at least `mean_run`, and that mean run."""

    def run_of(threshold: float) -> float:
        return Cusum(p0, p1, threshold).mean_run(np.random.default_rng(seed), runs)

    low, high = 1.0, 40.0
    for _ in range(24):
        middle = (low + high) / 2
        low, high = (low, middle) if run_of(middle) >= mean_run else (middle, high)
    return Cusum(p0, p1, high), run_of(high)
