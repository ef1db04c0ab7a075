"""What detection costs: time per event, bytes per key."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.storms import POLICIES, TARGET, bad_event, context
from halt400.fingerprints import fingerprints
from halt400.records import Fingerprints
from streams.detection import TargetState, apply_bad_request, encode_target_state
from streams.detection.mixture import Mixture

__all__ = ["Cost", "measure_cost"]

ROUNDS = 5


@dataclass(frozen=True)
class Cost:
    """Times are the best of five rounds on one core."""

    good_request_ns: float
    detector_on_a_400_us: float
    fingerprints_of_a_400_us: float
    decision_on_a_400_us: float
    detector_bytes: int
    detector_bytes_at_rest: int
    target_state_bytes_10_jobs: int
    target_state_bytes_10_jobs_quarantined: int


def _best(run: Callable[[int], object], count: int) -> float:
    """Seconds for each of `count`, the best round."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run(count)
        times.append(time.perf_counter() - start)
    return min(times) / count


def _good_requests(count: int) -> None:
    state = TargetState(TARGET)
    mixture, jobs = state.mixture, state.jobs
    state.job("j")
    for _ in range(count):
        mixture.gap += 1
        jobs["j"].mixture.gap += 1


def _detector(count: int) -> None:
    mixture = Mixture()
    for _ in range(count):
        mixture.gap += 9_000
        mixture.bad_request()


def _decisions(count: int) -> None:
    state = TargetState(TARGET)
    for number in range(count):
        event = bad_event(number, 1, 1_000_000 + number, f"j{number % 10}")
        prints = Fingerprints(request=str(number), signature=str(number % 5))
        apply_bad_request(state, event, prints, None, event.time, POLICIES, context(number))


def _fingerprints(count: int) -> None:
    for number in range(count):
        fingerprints(TARGET, bad_event(number, 1, 0, "j").request)


def measure_cost() -> Cost:
    """Measure on this machine."""
    state = TargetState(TARGET)
    for number in range(10):
        state.good_request(f"job-{number}")
    resting = len(encode_target_state(state))
    for number in range(10):
        event = bad_event(number, 1, 1_000_000 + number, f"job-{number}")
        prints = fingerprints(TARGET, event.request)
        apply_bad_request(state, event, prints, None, event.time, type(POLICIES)(), context(number))
    with_evidence = Mixture()
    with_evidence.bad_request()
    return Cost(
        good_request_ns=_best(_good_requests, 200_000) * 1e9,
        detector_on_a_400_us=_best(_detector, 20_000) * 1e6,
        fingerprints_of_a_400_us=_best(_fingerprints, 5_000) * 1e6,
        decision_on_a_400_us=_best(_decisions, 5_000) * 1e6,
        detector_bytes=len(with_evidence.pack()),
        detector_bytes_at_rest=len(Mixture().pack()),
        target_state_bytes_10_jobs=resting,
        target_state_bytes_10_jobs_quarantined=len(encode_target_state(state)),
    )
