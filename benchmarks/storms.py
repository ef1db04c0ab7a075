"""Retry storms and redelivered events, through the whole detection: they must change neither false alarms nor delay."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from halt400.records import Fingerprints, Request, Response, ResponseEvent, Source
from streams.detection import (
    Mixture,
    Policies,
    RecentIds,
    RecordContext,
    TargetState,
    apply_bad_request,
    parse_policies,
)

__all__ = ["StormResult", "naive_pages", "run_delay", "run_storm"]

TARGET = "api.shop.example"
HISTORY = 200_000
"""Good requests before: p0 is at its floor."""
POLICIES = parse_policies('[defaults]\npolicy = "evidence"\nhold_s = 1\nexpiry_grace_s = 5\n')
GAP_MS = 100


class StormResult(NamedTuple):
    """`evidence` after all attempts of each 400, and how often it reached the page tier."""

    evidence: list[float]
    pages: int
    events: int


def bad_event(number: int, attempt: int, time_ms: int, job: str) -> ResponseEvent:
    """The 400 of logical request `number`."""
    return ResponseEvent(
        id=f"{number}/{attempt}",
        time=time_ms,
        target=TARGET,
        job_id=job,
        attempt=attempt,
        request=Request(method="GET", url=f"https://{TARGET}/items/{number}"),
        response=Response(status=400),
    )


def _gaps(seed: int, p: float) -> Iterator[int]:
    rng = random.Random(seed)
    while True:
        gap = 0
        # One draw per trial: the stream is Bernoulli exactly.
        while rng.random() >= p:
            gap += 1
        yield gap


def run_storm(
    *, seed: int, bad_requests: int, repeats: int, redelivered: bool, numbered: bool, p: float
) -> StormResult:
    """A target whose requests end in a 400 with probability `p`, each 400 sent `repeats` times.

    Parameters
    ----------
    redelivered
        Every event is delivered twice.
    numbered
        Whether retries have their attempt number; else only the time between them shows that they are retries.
    """
    state = TargetState(TARGET)
    state.mixture.gap = HISTORY
    evidence: list[float] = []
    pages = events = 0
    now_ms = 1_000_000
    gaps = _gaps(seed, p)
    offset = 0
    for number in range(bad_requests):
        gap = next(gaps)
        state.mixture.gap += gap
        state.job("j").mixture.gap += gap
        now_ms += (gap + 1) * GAP_MS
        for attempt in range(1, repeats + 1):
            event = bad_event(number, attempt, now_ms, "j")
            if not numbered:
                event.attempt = 1
            prints = Fingerprints(request=str(number), signature=str(number % 5))
            for _ in range(2 if redelivered else 1):
                offset += 1
                apply_bad_request(state, event, prints, None, now_ms, POLICIES, context(offset))
                events += 1
            now_ms += 50
        evidence.append(state.mixture.evidence())
        if evidence[-1] >= POLICIES.tiers.page:
            pages += 1
            state.mixture.restart()
    return StormResult(evidence, pages, events)


def context(offset: int) -> RecordContext:
    """The context of the record at `offset`."""
    return RecordContext(source=Source(topic="halt400.responses", partition=0, offset=offset))


def run_delay(*, seed: int, repeats: int, redelivered: bool, p1: float, policies: Policies = POLICIES) -> int:
    """Logical requests from the break until the target's evidence reaches the page tier, event by event."""
    rng = random.Random(seed)
    state = TargetState(TARGET)
    state.mixture.gap = HISTORY
    ids = RecentIds()
    now_ms, number, offset = 1_000_000, 0, 0
    while True:
        number += 1
        now_ms += GAP_MS
        bad = rng.random() < p1
        for attempt in range(1, (repeats if bad else 1) + 1):
            for _ in range(2 if redelivered else 1):
                offset += 1
                if bad:
                    prints = Fingerprints(request=str(number), signature=str(number % 5))
                    event = bad_event(number, attempt, now_ms, "j")
                    apply_bad_request(state, event, prints, None, now_ms, policies, context(offset))
                elif not ids.repeated(str(number)):
                    state.good_request("j")
        if bad and state.mixture.evidence() >= policies.tiers.page:
            return number


def naive_pages(*, seed: int, bad_requests: int, repeats: int, p: float) -> int:
    """The same storm where every attempt is a trial: what goes wrong without logical requests."""
    mixture, pages, gaps = Mixture(), 0, _gaps(seed, p)
    mixture.gap = HISTORY
    for _ in range(bad_requests):
        mixture.gap += next(gaps)
        for _ in range(repeats):
            if mixture.bad_request() >= POLICIES.tiers.page:
                pages += 1
                mixture.restart()
                mixture.gap = 0
    return pages
