"""The detector gives what the definition gives trial by trial, keeps its guarantee, and stays small."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.detection.mixture import COMPONENTS, MOST_EVIDENCE, SETTLED, Mixture, Tiers
from streams.detection.null_ratio import FLOOR, null_ratio

PAGE = Tiers().page


def trial_by_trial(p0: float, outcomes: list[bool]) -> tuple[float, float]:
    """The definition: eight Shiryaev-Roberts recursions, one trial at a time; and the highest value of any."""
    low, high = 3 * p0, 0.9
    total = highest = 0.0
    for i in range(COMPONENTS):
        p = low * (high / low) ** (i / (COMPONENTS - 1))
        q = (1 - p) / (1 - p0)
        r = q / (1 - q)
        for bad in outcomes:
            r = (r + 1) * (p / p0 if bad else q)
            highest = max(highest, r)
        total += r
    return total / COMPONENTS, highest


@given(st.lists(st.booleans(), max_size=60), st.floats(1e-4, 0.1))
def test_closed_form_and_definition_agree(outcomes: list[bool], p0: float) -> None:
    mixture = Mixture(p0)
    for bad in outcomes:
        if bad:
            mixture.bad_request(learn=False, floor=p0)
        else:
            mixture.gap += 1
    expected, highest = trial_by_trial(p0, outcomes)
    if highest < MOST_EVIDENCE:
        assert mixture.evidence() == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.integers(0, 10**7), max_size=40))
def test_packing_loses_nothing(gaps: list[int]) -> None:
    mixture = Mixture()
    for gap in gaps:
        mixture.gap += gap
        mixture.bad_request()
    mixture.gap += 3
    packed = mixture.pack()
    assert len(packed) <= 100
    again = Mixture.unpack(packed)
    assert again.pack() == packed
    mixture.gap += 5
    again.gap += 5
    assert again.bad_request() == mixture.bad_request()
    assert (again.p0, again.trials, again.bad, again.settled) == (
        mixture.p0,
        mixture.trials,
        mixture.bad,
        mixture.settled,
    )


@pytest.mark.parametrize("data", [b"", b"\x00" * 33, b"\x02" * 97, b"\x06" * 33, b"\x02" * 40])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no packed detector"):
        Mixture.unpack(data)


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**18), st.integers(1, 200)), max_size=20), st.floats(1e-6, 0.8))
def test_no_run_however_long_overflows(runs: list[tuple[int, int]], p0: float) -> None:
    mixture = Mixture(p0)
    for gap, bad in runs:
        mixture.gap += gap
        for _ in range(bad):
            assert 0 < mixture.bad_request(floor=1e-6) <= MOST_EVIDENCE
    assert 0 <= mixture.evidence() <= MOST_EVIDENCE
    assert len(mixture.pack()) <= 100


@pytest.mark.slow
def test_evidence_falls_back_after_the_longest_outage() -> None:
    mixture = Mixture(FLOOR)
    for _ in range(100_000):
        mixture.bad_request(learn=False)
    mixture.gap += 200_000
    assert mixture.evidence() < 1 / FLOOR


@given(st.integers(0, 10**9))
def test_good_requests_alone_are_never_evidence(gap: int) -> None:
    mixture = Mixture()
    mixture.gap += gap
    assert mixture.evidence() < SETTLED / mixture.p0


@given(st.lists(st.integers(0, 50_000), min_size=1, max_size=20), st.integers(1, 1_000))
def test_another_good_request_never_adds_evidence_to_a_rise(gaps: list[int], more: int) -> None:
    mixture = Mixture(FLOOR)
    for gap in gaps:
        mixture.gap += gap
        evidence = mixture.bad_request(learn=False)
    mixture.gap += more
    assert mixture.evidence() <= evidence


def test_three_failures_in_a_row_page_a_target_in_service() -> None:
    mixture = Mixture()
    mixture.gap = 100_000
    assert [mixture.bad_request() >= PAGE for _ in range(3)] == [False, False, True]


def test_a_new_target_pages_after_seven() -> None:
    mixture = Mixture()
    assert [mixture.bad_request() >= PAGE for _ in range(7)].index(True) == 6


def test_it_predicts_how_many_400s_reach_a_threshold() -> None:
    mixture = Mixture()
    mixture.gap = 100_000
    mixture.bad_request()
    predicted = mixture.bad_requests_until(PAGE)
    for _ in range(predicted):
        assert mixture.evidence() < PAGE
        mixture.bad_request()
    assert mixture.evidence() >= PAGE
    assert mixture.bad_requests_until(PAGE) == 0


def test_its_mean_under_the_null_is_at_most_the_number_of_requests() -> None:
    """The law behind the threshold: the expected evidence after n null requests is at most n and the value at rest."""
    rng = random.Random(3)
    n, runs, p0 = 300, 4_000, 0.02
    rest = Mixture(p0).evidence()
    total = 0.0
    for _ in range(runs):
        mixture = Mixture(p0)
        for _ in range(n):
            if rng.random() < p0:
                mixture.bad_request(learn=False, floor=p0)
            else:
                mixture.gap += 1
        total += mixture.evidence()
    assert total / runs <= (n + rest) * 1.5


@pytest.mark.slow
def test_false_alarms_are_rarer_than_the_threshold_says() -> None:
    rng = random.Random(5)
    threshold, p0, requests = 20_000.0, 0.01, 4_000_000
    mixture, alarms, seen = Mixture(p0), 0, 0
    while seen < requests:
        gap = 0
        while rng.random() >= p0:
            gap += 1
        seen += gap + 1
        mixture.gap += gap
        if mixture.bad_request(learn=False, floor=p0) >= threshold:
            alarms += 1
            mixture.restart()
    assert alarms <= requests / threshold


def test_p0_is_learned_from_history() -> None:
    rng = random.Random(2)
    mixture, p = Mixture(), 0.004
    for _ in range(2_000):
        gap = 0
        while rng.random() >= p:
            gap += 1
        mixture.gap += gap
        assert mixture.bad_request() < Tiers().ticket
    assert p * 0.9 < mixture.p0 < p * 1.5


def test_a_break_does_not_raise_p0() -> None:
    mixture = Mixture()
    mixture.gap = 100_000
    mixture.bad_request()
    before = mixture.p0
    for _ in range(500):
        mixture.gap += 1
        mixture.bad_request()
    assert mixture.p0 == before


def test_p0_does_not_change_while_quarantined() -> None:
    mixture = Mixture()
    for _ in range(100):
        mixture.gap += 1_000
        mixture.bad_request(learn=False)
    assert (mixture.p0, mixture.trials) == (null_ratio(0, 0), 0)


def test_a_restart_forgets_the_evidence_and_keeps_the_history() -> None:
    mixture = Mixture()
    mixture.gap = 100_000
    for _ in range(5):
        mixture.bad_request()
    p0, trials = mixture.p0, mixture.trials
    mixture.restart()
    assert mixture.evidence() < SETTLED / p0
    assert (mixture.p0, mixture.trials) == (p0, trials)


def test_a_floor_set_by_hand_counts_at_once() -> None:
    mixture = Mixture()
    mixture.gap = 1_000_000
    mixture.bad_request()
    assert mixture.p0 == FLOOR
    mixture.bad_request(floor=0.05)
    assert mixture.p0 == 0.05
